/** Lingering close: ends a connection whose peer may still be sending (RFC 9112, 9.6). */
import type { Socket } from "node:net";

/** The peer must close the connection within this time after `lastBytes`. */
export const LINGER_MS = 1_000;

/**
 * Sends `lastBytes` and ends the socket. Then discards bytes from the peer until the peer closes the connection.
 * Destroys the socket if the peer takes longer than LINGER_MS. An immediate close with unread bytes would send a TCP
 * reset. The peer could then lose `lastBytes`.
 */
export function lingeringClose(socket: Socket, lastBytes: string): void {
  socket.on("error", () => {}); // the "close" event follows, and is handled below
  socket.end(lastBytes);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.on("close", () => clearTimeout(timer));
}
