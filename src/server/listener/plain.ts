/** Detects the protocol of a connection without TLS: HTTP/2 by its connection preface, or else HTTP/1.1. */
import type { Socket } from "node:net";
import { type PendingConnections, type Protocols, TLS_START } from "./pending-connections.ts";

/**
 * The start of the HTTP/2 connection preface (RFC 9113, 3.4). HTTP/1.1 requests do not begin with PRI, because this
 * method is reserved for the preface (RFC 7540, 11.6).
 */
const PREFACE_START = "PRI ";

/** Passes a plain or decrypted connection to `protocols` as soon as its first bytes show its protocol. Refuses TLS. */
export function detectByPreface(socket: Socket, pending: PendingConnections, { http1, http2 }: Protocols): void {
  pending.peek(socket, PREFACE_START, (start) => {
    if (start === PREFACE_START) http2(socket);
    else if (start.startsWith(TLS_START)) {
      pending.refuse(socket, "tls", "it speaks TLS, and this port is plain", "this port is plain: use http");
    } else http1(socket);
  });
}
