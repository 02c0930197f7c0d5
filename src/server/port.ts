/**
 * The connections of a server, from any number of listeners and from `accept`, with HTTP/1.1 and HTTP/2, plain or over TLS.
 * Passes every request to one handler.
 */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { HttpContext } from "./http/http-context.ts";
import type { Http2Server } from "./http/http2-server.ts";
import { BuiltInHttp2Server } from "./http2/server.ts";
import type { BoundAddress, NodeListenOptions } from "./listener/listen-address.ts";
import { Listeners } from "./listener/listeners.ts";
import { type ConnectionRefusal, PendingConnections, type Protocols } from "./listener/pending-connections.ts";
import { detectByPreface } from "./listener/plain.ts";
import { setClient } from "./listener/proxied-socket.ts";
import { TlsHandshakes } from "./listener/tls.ts";
import type { TlsCredentials } from "./listener/tls-credentials.ts";
import type { TrustedProxies } from "./listener/trusted-proxies.ts";
import { errorText } from "./log/entry.ts";
import type { Log } from "./log/record.ts";
import type { ThrottledLog } from "./log/throttled-log.ts";
import { Http1Server } from "./node-http/http1.ts";
import { NodeHttp2Server } from "./node-http/http2.ts";
import type { ServerStats } from "./stats.ts";

export interface PortOptions extends HttpContext {
  readonly http2: "built-in" | "node";
  /** The initial TLS credentials; undefined for a plain port. */
  readonly tls: TlsCredentials | undefined;
  /** The proxies that may name the client by the PROXY protocol. Undefined if no client may. */
  readonly trustedProxies: TrustedProxies | undefined;
  /** Called once for each connection that is refused, unless a limit is the reason. */
  readonly onRefused: (reason: ConnectionRefusal) => void;
  readonly log: Log;
  /** The log for events that clients can cause often. */
  readonly throttledLog: ThrottledLog;
}

export class Port {
  readonly #options: PortOptions;
  readonly #listeners: Listeners;
  /** Connections whose protocol is not known yet. */
  readonly #pending: PendingConnections;
  readonly #handshakes: TlsHandshakes | undefined;
  readonly #http1: Http1Server;
  readonly #http2: Http2Server;
  readonly #protocols: Protocols;
  #credentials: TlsCredentials | undefined;

  /** Throws Node's error if the TLS credentials are invalid. */
  constructor(options: PortOptions) {
    const { tls, limits, onLimit, log, trustedProxies } = options;
    this.#options = options;
    this.#credentials = tls;
    this.#http1 = new Http1Server(options);
    this.#http2 = createHttp2Server(options);
    this.#protocols = {
      http1: (socket) => this.#http1.accept(socket),
      http2: (socket) => this.#http2.accept(socket),
    };
    this.#pending = new PendingConnections({ limits, onLimit, onRefused: (...refusal) => this.#onRefused(...refusal) });
    const pending = this.#pending;
    this.#handshakes = tls && new TlsHandshakes(tls, { limits, onLimit, pending, protocols: this.#protocols });
    const allowHalfOpen = tls === undefined; // a client may half-close after its request and still wait for the response
    const onConnection = (socket: Socket, isProxy: boolean): void => {
      if (isProxy) this.#onProxyConnection(socket);
      else this.#onConnection(socket);
    };
    const onClose = (socket: Socket): void => pending.delete(socket);
    this.#listeners = new Listeners({ limits, onLimit, log, allowHalfOpen, trustedProxies, onConnection, onClose });
  }

  /** The TLS credentials of new connections; undefined for a plain port. */
  get credentials(): TlsCredentials | undefined {
    return this.#credentials;
  }

  /** True if only this machine can connect. Also true without a listener. */
  get isLocal(): boolean {
    return this.#listeners.isLocal;
  }

  /** True if this machine can connect by TCP, and other machines cannot connect. */
  get isLoopbackOnly(): boolean {
    return this.#listeners.isLoopbackOnly;
  }

  /** Number of requests without a complete response, over all connections. */
  get requestsInFlight(): number {
    return this.#http1.requestsInFlight + this.#http2.requestsInFlight;
  }

  /** Number of open connections by HTTP version, and of those that have not chosen one. */
  get connections(): ServerStats["connections"] {
    return { "1.1": this.#http1.connections, "2.0": this.#http2.connections, pending: this.#pending.size };
  }

  /** Listens on one more address, and resolves with it. Rejects with Node's error if the port cannot listen there. */
  open(address: NodeListenOptions): Promise<BoundAddress> {
    return this.#listeners.open(address);
  }

  /** Implements `Server.accept`. */
  accept(stream: Duplex): void {
    this.#listeners.accept(stream);
  }

  /** Implements `Server.renewTls`. */
  renewTls(credentials: TlsCredentials): void {
    if (this.#handshakes === undefined) throw new Error("renew TLS credentials: the server was created without TLS");
    if ((credentials.clientCa === undefined) !== (this.#options.tls?.clientCa === undefined))
      throw new Error("renew TLS credentials: clientCa can be neither added nor removed");
    this.#handshakes.renew(credentials);
    this.#credentials = credentials;
  }

  /**
   * From now on, adds `Connection: close` to HTTP/1.1 responses. If requests are pipelined, only the response to the
   * final one gets it. The port stays open.
   */
  sendConnectionClose(): void {
    this.#http1.sendConnectionClose();
  }

  /**
   * Stops listening and closes every connection gracefully. `sendConnectionClose` must have been called before. HTTP/1.1
   * connections without a request stay open for `idleMs`, and so do connections whose protocol is not known yet. Resolves
   * when no connection is left.
   */
  async drain(idleMs: number): Promise<void> {
    const closed = this.#listeners.close();
    const idle = setTimeout(() => this.#pending.destroy(), idleMs);
    await Promise.all([this.#http1.drain(idleMs, closed), this.#http2.drain()]);
    clearTimeout(idle);
  }

  /** Closes every connection immediately. */
  destroy(): void {
    this.#pending.destroy();
    this.#http1.destroy();
    this.#http2.destroy();
  }

  /** Reads the PROXY protocol header that a trusted proxy may send, before TLS. */
  #onProxyConnection(socket: Socket): void {
    if ("encrypted" in socket) {
      this.#onConnection(socket); // the header came before the handshake, which the caller of `accept` has made
      return;
    }
    this.#pending.takeProxyHeader(socket, (client) => {
      if (client !== "proxy") setClient(socket, client);
      if (this.#listeners.tryAddClient(socket)) this.#onConnection(socket);
      else socket.destroy();
    });
  }

  #onConnection(socket: Socket): void {
    if ("encrypted" in socket) this.#onDecrypted(socket as TLSSocket);
    else if (this.#handshakes === undefined) detectByPreface(socket, this.#pending, this.#protocols);
    else this.#handshakes.accept(socket);
  }

  /** Serves a connection whose TLS handshake the caller of `accept` has made. */
  #onDecrypted(socket: TLSSocket): void {
    if (this.#credentials?.clientCa === undefined || socket.authorized) {
      socket.allowHalfOpen = true; // for a client that half-closes after its request
      detectByPreface(socket, this.#pending, this.#protocols);
    } else {
      this.#pending.report(socket, "client_certificate", "it has no trusted client certificate");
      socket.destroy();
    }
  }

  #onRefused(reason: ConnectionRefusal, text: string, address: string | undefined): void {
    this.#options.onRefused(reason);
    const from = address === undefined ? "" : ` from ${address}`;
    const message = `refuse a connection${from}: ${text}`;
    this.#options.throttledLog(text, { level: "warn", event: "connection_refused", message, reason, address });
  }
}

function createHttp2Server(options: PortOptions): Http2Server {
  const { http2, log } = options;
  if (http2 === "built-in") {
    const onError = (error: unknown): void =>
      log({ level: "error", event: "http2_error", message: `serve HTTP/2: ${errorText(error)}` });
    return new BuiltInHttp2Server({ ...options, onError });
  }
  const message = "HTTP/2 is node:http2, which does not enforce every limit (docs/limits.md)";
  log({ level: "warn", event: "node_http2", message });
  return new NodeHttp2Server(options);
}
