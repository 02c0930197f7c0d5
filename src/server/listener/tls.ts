/** One TLS port: HTTP/1.1 or HTTP/2, by what each client asks for in its handshake (ALPN, RFC 7301). */
import { constants } from "node:crypto";
import type { Server, ServerOptions } from "node:https";
import type { Socket } from "node:net";
import type { SecureContextOptions, TLSSocket } from "node:tls";
import { lostWithin } from "../limits/running-time.ts";
import { MAX_TIMER_MS } from "../limits/timers.ts";
import { FirstBytes, refuse, TLS_START } from "./peek.ts";
import type { Split, Undecided } from "./plain.ts";

export interface TlsCredentials {
  /** The certificate, and behind it those between it and its authority, in PEM. */
  readonly cert: string;
  /** Its private key, in PEM, without a passphrase. */
  readonly key: string;
  /** The authorities of clients, in PEM: a client without a certificate of theirs is refused. Default: none is asked for. */
  readonly clientCa?: string | undefined;
}

/** Of the versions' names (IANA's registry of ALPN), the first that a client has too. One that names none speaks HTTP/1.1. */
const ALPN = ["h2", "http/1.1", "http/1.0"];
/**
 * TLS 1.3's, and of Mozilla's "intermediate" those of TLS 1.2 that need no parameters of a group: all are ephemeral and
 * AEAD, so none is on the list of RFC 9113, appendix A (wiki.mozilla.org/Security/Server_Side_TLS).
 */
const CIPHERS = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/** What new connections are served with. It is to be given whole each time: Node's setSecureContext forgets what is left out. */
export function secureContextOptions({ cert, key, clientCa }: TlsCredentials): SecureContextOptions {
  return {
    cert,
    key,
    ...(clientCa !== undefined && { ca: clientCa }),
    minVersion: "TLSv1.2",
    ciphers: CIPHERS,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION, // RFC 9113, 9.2.1
  };
}

/** The options of an HTTPS server whose connections splitByAlpn divides; handshakeMs is what a handshake may take. */
export function httpsOptions(credentials: TlsCredentials, handshakeMs: number): ServerOptions {
  const mutual = credentials.clientCa !== undefined;
  return {
    ...secureContextOptions(credentials),
    ALPNProtocols: ALPN,
    requestCert: mutual,
    rejectUnauthorized: mutual,
    handshakeTimeout: Math.min(handshakeMs, MAX_TIMER_MS),
  };
}

/** Makes the HTTPS server hand over each connection whose client asked for HTTP/2, and answer plain text. */
export function splitByAlpn(https: Server, { http2, limits, onLimit, onRefused }: Split): Undecided {
  const firstBytes = new FirstBytes(limits, onLimit);
  const handshakes = new Set<Socket>();
  const beginHandshake = https.listeners("connection") as ((socket: Socket) => void)[];
  const acceptHttp1 = https.listeners("secureConnection") as ((socket: TLSSocket) => void)[];
  https.removeAllListeners("connection").removeAllListeners("secureConnection");
  https.removeAllListeners("tlsClientError"); // Node's own takes it for an error of HTTP/1.1

  function tooSlow(this: TLSSocket): void {
    onLimit("handshakeMs", `a TLS handshake took over ${limits.handshakeMs} ms`);
    this.destroy();
  }

  https.on("connection", (socket: Socket) => {
    socket.on("error", ignore); // once the handshake has begun, they are the TLS socket's
    firstBytes.peek(socket, TLS_START, (start) => {
      if (start !== TLS_START) {
        onRefused("it speaks plain text, and this port speaks TLS", socket.remoteAddress);
        return refuse(socket, "this port speaks TLS: use https");
      }
      handshakes.add(socket);
      socket.on("close", () => handshakes.delete(socket));
      for (const begin of beginHandshake) begin.call(https, socket);
    });
  });
  https.on("secureConnection", (socket) => {
    handshakes.delete(plainSocketOf(socket));
    socket.off("timeout", tooSlow);
    if (socket.alpnProtocol === "h2") return http2(socket);
    socket.allowHalfOpen = true; // a client may have nothing more to send than its request
    for (const accept of acceptHttp1) accept.call(https, socket);
  });
  https.on("tlsClientError", (error: NodeJS.ErrnoException, socket) => {
    const reason = handshakeProblem(error, socket);
    if (error.code === "ERR_TLS_HANDSHAKE_TIMEOUT") {
      const more = lostWithin(limits.handshakeMs);
      if (more === 0) return tooSlow.call(socket);
      // Node goes on with the handshake, and tells of no further error of it.
      socket.on("timeout", tooSlow).setTimeout(Math.min(more, MAX_TIMER_MS));
      return;
    }
    if (reason !== undefined) onRefused(reason, socket.remoteAddress);
    socket.destroy();
  });

  return {
    close() {
      firstBytes.close();
      for (const socket of handshakes) socket.destroy();
    },
  };
}

/** Node has no public name for it, and the addresses of Unix domain sockets are all alike. */
function plainSocketOf(socket: TLSSocket & { readonly _parent?: Socket }): Socket {
  return socket._parent as Socket;
}

const HANDSHAKE_PROBLEMS: Readonly<Record<string, string>> = {
  ERR_SSL_NO_APPLICATION_PROTOCOL: "it asks for neither HTTP/2 nor HTTP/1.1 (ALPN)",
  ERR_SSL_UNSUPPORTED_PROTOCOL: "it speaks no version of TLS from 1.2 on",
  ERR_SSL_NO_SHARED_CIPHER: "it has none of the cipher suites",
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: "it has no client certificate",
};

/** Undefined where the client only went away, as those do that try whether a port is open. */
function handshakeProblem({ code = "" }: NodeJS.ErrnoException, { authorizationError }: TLSSocket): string | undefined {
  if (authorizationError) return `its certificate is not trusted (${authorizationError})`;
  if (/_ALERT_(UNKNOWN_CA|(BAD_)?CERTIFICATE)/.test(code)) return `it does not trust the certificate here (${code})`;
  if (code in HANDSHAKE_PROBLEMS) return HANDSHAKE_PROBLEMS[code];
  return code.startsWith("ERR_") ? `its TLS handshake failed (${code})` : undefined;
}

function ignore(): void {}
