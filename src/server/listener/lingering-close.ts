/** The end of a connection whose peer may still be sending. */
import type { Socket } from "node:net";

/** ms in which a peer may close after it was answered, before its socket is destroyed. */
const LINGER_MS = 1_000;

/**
 * Sends the last words and ends the socket. What still comes is read and thrown away: to close with it unread would take
 * the words with it (RFC 9112, 9.6).
 */
export function endAndLinger(socket: Socket, lastWords: string): void {
  socket.on("error", () => {}); // the close that follows says it
  socket.end(lastWords);
  socket.resume();
  const cut = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.on("close", () => clearTimeout(cut));
}
