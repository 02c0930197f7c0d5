/** Detects the protocol of each connection to a TLS port: HTTP/2 or HTTP/1.1, as negotiated by ALPN (RFC 7301). */
import type { Socket } from "node:net";
import type { Server, TLSSocket, TlsOptions } from "node:tls";
import type { Limits, OnLimit } from "../limits/limits.ts";
import { MAX_TIMER_MS, pausedWithin } from "../limits/process-clock.ts";
import { type ConnectionRefusal, type PendingConnections, type Protocols, TLS_START } from "./pending-connections.ts";
import { inheritClient } from "./proxied-socket.ts";
import { secureContextOptions, type TlsCredentials } from "./tls-credentials.ts";

/** The server's protocols in order of preference, by their ALPN names. A client without ALPN speaks HTTP/1.1. */
const ALPN_PROTOCOLS = ["h2", "http/1.1", "http/1.0"];

export interface TlsHandshakesOptions {
  readonly limits: Limits;
  readonly onLimit: OnLimit;
  /** Tracks the connections whose handshake is not complete. */
  readonly pending: PendingConnections;
  readonly protocols: Protocols;
}

/** Makes the TLS handshakes of connections that another server has accepted. Does not listen. */
export class TlsHandshakes {
  readonly #options: TlsHandshakesOptions;
  readonly #server: Server;

  /** Throws Node's error if the credentials are invalid. */
  constructor(credentials: TlsCredentials, options: TlsHandshakesOptions) {
    this.#options = options;
    this.#server = process.getBuiltinModule("node:tls").createServer(tlsOptions(credentials, options.limits));
    this.#server.on("secureConnection", (socket) => this.#onSecure(socket));
    this.#server.on("tlsClientError", (error, socket) => this.#onError(error, socket));
  }

  /** Uses `credentials` for new connections. Throws Node's error if they are invalid; the old ones then remain. */
  renew(credentials: TlsCredentials): void {
    this.#server.setSecureContext(secureContextOptions(credentials));
  }

  /** Passes a connection to the protocol that it negotiates by ALPN. Refuses plain text. */
  accept(socket: Socket): void {
    const { pending } = this.#options;
    socket.on("error", ignore); // errors after the first bytes are reported by the TLS socket
    pending.peek(socket, TLS_START, (start) => {
      if (start !== TLS_START) {
        const text = "it speaks plain text, and this port speaks TLS";
        return pending.refuse(socket, "plain_text", text, "this port speaks TLS: use https");
      }
      pending.add(socket);
      this.#server.emit("connection", socket);
    });
  }

  #onSecure(socket: TLSSocket): void {
    const { pending, protocols } = this.#options;
    const plain = plainSocketOf(socket);
    pending.delete(plain);
    inheritClient(socket, plain);
    socket.removeAllListeners("timeout");
    if (socket.alpnProtocol === "h2") protocols.http2(socket);
    else {
      socket.allowHalfOpen = true; // a client may half-close after its request and still wait for the response
      protocols.http1(socket);
    }
  }

  #onError(error: NodeJS.ErrnoException, socket: TLSSocket): void {
    const { limits, onLimit, pending } = this.#options;
    const problem = handshakeProblem(error, socket);
    if (error.code === "ERR_TLS_HANDSHAKE_TIMEOUT") {
      const extraMs = pausedWithin(limits.handshakeMs);
      const expire = (): void => {
        onLimit("handshakeMs", `a TLS handshake took over ${limits.handshakeMs} ms`);
        socket.destroy();
      };
      // Node continues the handshake after this event, but does not emit the event again.
      if (extraMs > 0) socket.setTimeout(Math.min(extraMs, MAX_TIMER_MS), expire);
      else expire();
      return;
    }
    inheritClient(socket, plainSocketOf(socket));
    if (problem !== undefined) pending.report(socket, ...problem);
    socket.destroy();
  }
}

function tlsOptions(credentials: TlsCredentials, { handshakeMs }: Limits): TlsOptions {
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
 * Returns the socket below a TLS socket. Node offers only private fields for it: one for a `net.Socket`, another for any
 * other stream. Addresses would not identify the socket, because all clients of a Unix domain socket have the same address.
 */
function plainSocketOf(socket: TLSSocket): Socket {
  const { _parent, _handle } = socket as Private;
  return _parent ?? (_handle?._parentWrap.stream as Socket);
}

/** The reason of a failed handshake, and its description. */
type Problem = readonly [reason: ConnectionRefusal, text: string];

type Private = TLSSocket & {
  readonly _parent?: Socket;
  readonly _handle?: { readonly _parentWrap: { readonly stream?: Socket } };
};

const HANDSHAKE_PROBLEMS: Readonly<Record<string, Problem>> = {
  ERR_SSL_NO_APPLICATION_PROTOCOL: ["tls_handshake", "it asks for neither HTTP/2 nor HTTP/1.1 (ALPN)"],
  ERR_SSL_UNSUPPORTED_PROTOCOL: ["tls_handshake", "it does not support TLS 1.2 or later"],
  ERR_SSL_NO_SHARED_CIPHER: ["tls_handshake", "it does not support any of the cipher suites"],
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: ["client_certificate", "it has no client certificate"],
};

/** Returns the reason for a failed handshake, or undefined if the client only disconnected, as port scanners do. */
function handshakeProblem(
  { code = "" }: NodeJS.ErrnoException,
  { authorizationError }: TLSSocket,
): Problem | undefined {
  if (authorizationError) return ["client_certificate", `its certificate is not trusted (${authorizationError})`];
  if (/_ALERT_(UNKNOWN_CA|(BAD_)?CERTIFICATE)/.test(code))
    return ["server_certificate", `it does not trust this server's certificate (${code})`];
  if (code in HANDSHAKE_PROBLEMS) return HANDSHAKE_PROBLEMS[code];
  return code.startsWith("ERR_") ? ["tls_handshake", `its TLS handshake failed (${code})`] : undefined;
}

function ignore(): void {}
