/** Detects the protocol of each connection to a TLS port: HTTP/2 or HTTP/1.1, as negotiated by ALPN (RFC 7301). */
import type { Server, ServerOptions } from "node:https";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { MAX_TIMER_MS, pausedWithin } from "../limits/process-clock.ts";
import { type DetectionOptions, PendingConnections, TLS_START } from "./pending-connections.ts";
import { secureContextOptions, type TlsCredentials } from "./tls-credentials.ts";

/** The server's protocols in order of preference, by their ALPN names. A client without ALPN speaks HTTP/1.1. */
const ALPN_PROTOCOLS = ["h2", "http/1.1", "http/1.0"];

/** Returns the options of an HTTPS server for `detectByAlpn`. A handshake may take `handshakeMs`. */
export function httpsOptions(credentials: TlsCredentials, handshakeMs: number): ServerOptions {
  const mutual = credentials.clientCa !== undefined;
  return {
    ...secureContextOptions(credentials),
    ALPNProtocols: ALPN_PROTOCOLS,
    requestCert: mutual,
    rejectUnauthorized: mutual,
    handshakeTimeout: Math.min(handshakeMs, MAX_TIMER_MS),
  };
}

/**
 * Makes the HTTPS server pass each HTTP/2 connection to `options.http2`, and refuse plain text. Replaces the server's
 * "connection", "secureConnection" and "tlsClientError" listeners. Calls the replaced "connection" listeners for TLS
 * only, and the replaced "secureConnection" listeners for HTTP/1.1 only. Returns the connections whose handshake is not
 * complete.
 */
export function detectByAlpn(https: Server, options: DetectionOptions): PendingConnections {
  const { http2, limits, onLimit, onRefused } = options;
  const pending = new PendingConnections(options);
  const beginHandshake = https.listeners("connection") as ((socket: Socket) => void)[];
  const acceptHttp1 = https.listeners("secureConnection") as ((socket: TLSSocket) => void)[];
  https.removeAllListeners("connection").removeAllListeners("secureConnection");
  https.removeAllListeners("tlsClientError"); // Node's own listener would emit "clientError", an event of HTTP/1.1

  function onHandshakeTimeout(this: TLSSocket): void {
    onLimit("handshakeMs", `a TLS handshake took over ${limits.handshakeMs} ms`);
    this.destroy();
  }

  https.on("connection", (socket: Socket) => {
    socket.on("error", ignore); // errors after the first bytes are reported by the TLS socket
    pending.peek(socket, TLS_START, (start) => {
      if (start !== TLS_START) {
        const reason = "it speaks plain text, and this port speaks TLS";
        return pending.refuse(socket, reason, "this port speaks TLS: use https");
      }
      pending.add(socket);
      for (const begin of beginHandshake) begin.call(https, socket);
    });
  });
  https.on("secureConnection", (socket) => {
    pending.delete(plainSocketOf(socket));
    socket.off("timeout", onHandshakeTimeout);
    if (socket.alpnProtocol === "h2") return http2(socket);
    socket.allowHalfOpen = true; // a client may half-close after its request and still wait for the response
    for (const accept of acceptHttp1) accept.call(https, socket);
  });
  https.on("tlsClientError", (error: NodeJS.ErrnoException, socket) => {
    const reason = handshakeProblem(error, socket);
    if (error.code === "ERR_TLS_HANDSHAKE_TIMEOUT") {
      const extraMs = pausedWithin(limits.handshakeMs);
      if (extraMs === 0) return onHandshakeTimeout.call(socket);
      // Node continues the handshake after this event, but does not emit the event again.
      socket.on("timeout", onHandshakeTimeout).setTimeout(Math.min(extraMs, MAX_TIMER_MS));
      return;
    }
    if (reason !== undefined) onRefused(reason, socket.remoteAddress);
    socket.destroy();
  });
  return pending;
}

/**
 * Returns the socket below a TLS socket. Node offers only a private field for it. Addresses would not identify the
 * socket, because all clients of a Unix domain socket have the same address.
 */
function plainSocketOf(socket: TLSSocket & { readonly _parent?: Socket }): Socket {
  return socket._parent as Socket;
}

const HANDSHAKE_PROBLEMS: Readonly<Record<string, string>> = {
  ERR_SSL_NO_APPLICATION_PROTOCOL: "it asks for neither HTTP/2 nor HTTP/1.1 (ALPN)",
  ERR_SSL_UNSUPPORTED_PROTOCOL: "it does not support TLS 1.2 or later",
  ERR_SSL_NO_SHARED_CIPHER: "it does not support any of the cipher suites",
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: "it has no client certificate",
};

/** Returns the reason for a failed handshake, or undefined if the client only disconnected, as port scanners do. */
function handshakeProblem({ code = "" }: NodeJS.ErrnoException, { authorizationError }: TLSSocket): string | undefined {
  if (authorizationError) return `its certificate is not trusted (${authorizationError})`;
  if (/_ALERT_(UNKNOWN_CA|(BAD_)?CERTIFICATE)/.test(code))
    return `it does not trust this server's certificate (${code})`;
  if (code in HANDSHAKE_PROBLEMS) return HANDSHAKE_PROBLEMS[code];
  return code.startsWith("ERR_") ? `its TLS handshake failed (${code})` : undefined;
}

function ignore(): void {}
