/** Lingering close: ends a connection whose peer may still be sending (RFC 9112, 9.6). */
import type { Socket } from "node:net";

/** The time that a peer has to close the connection after the last bytes were sent to it. */
const LINGER_MS = 1_000;

/**
 * Sends `lastBytes` and ends the socket, then discards what the peer sends until it closes or LINGER_MS have passed.
 * Closing a socket with unread bytes would send a TCP reset, which can destroy `lastBytes` before the peer reads them.
 */
export function lingeringClose(socket: Socket, lastBytes: string): void {
  socket.on("error", () => {}); // "close" always follows
  socket.end(lastBytes);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.on("close", () => clearTimeout(timer));
}
