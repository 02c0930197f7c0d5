/** A port that serves HTTP/1.1 and HTTP/2, plain or over TLS. Passes every request to one handler. */
import { once } from "node:events";
import type { Socket } from "node:net";
import type { HttpContext } from "./http/http-context.ts";
import type { Http2Server } from "./http/http2-server.ts";
import { BuiltInHttp2Server } from "./http2/server.ts";
import { limitConnectionsPerAddress } from "./listener/connections-per-address.ts";
import { watchFileDescriptors } from "./listener/file-descriptors.ts";
import type { BoundAddress, NodeListenOptions } from "./listener/listen-address.ts";
import type { PendingConnections } from "./listener/pending-connections.ts";
import { detectByPreface } from "./listener/plain.ts";
import { detectByAlpn, httpsOptions } from "./listener/tls.ts";
import { secureContextOptions, type TlsCredentials } from "./listener/tls-credentials.ts";
import { errorText } from "./log/entry.ts";
import type { ThrottledLog } from "./log/throttled-log.ts";
import { Http1Server } from "./node-http/http1.ts";

export interface PortOptions extends HttpContext {
  readonly http2: "built-in" | "node";
  /** The initial TLS credentials; undefined for a plain port. */
  readonly tls: TlsCredentials | undefined;
  readonly log: (entry: string) => void;
  /** The log for events that clients can cause often. */
  readonly throttledLog: ThrottledLog;
}

export class Port {
  readonly #options: PortOptions;
  readonly #http1: Http1Server;
  /** Connections whose protocol is not known yet. */
  readonly #pending: PendingConnections;
  #http2: Http2Server | undefined;
  #credentials: TlsCredentials | undefined;
  #stopWatching: (() => void) | undefined;

  /** Throws Node's error if the TLS credentials are invalid. */
  constructor(options: PortOptions) {
    const { tls, limits, onLimit } = options;
    this.#options = options;
    this.#credentials = tls;
    this.#http1 = new Http1Server(options, tls && httpsOptions(tls, limits.handshakeMs));
    this.#pending = this.#detectProtocols();
    // Called last, because it prepends a listener that must run before all others.
    limitConnectionsPerAddress(this.#http1.server, limits, onLimit);
  }

  /** The TLS credentials of new connections; undefined for a plain port. */
  get credentials(): TlsCredentials | undefined {
    return this.#credentials;
  }

  /** Number of requests without a complete response, over all connections. */
  get requestsInFlight(): number {
    return this.#http1.requestsInFlight + (this.#http2?.requestsInFlight ?? 0);
  }

  /** Listens, and resolves with the bound address. Rejects with Node's error if the port cannot listen. */
  async open(address: NodeListenOptions): Promise<BoundAddress> {
    const { http2, log } = this.#options;
    const { server } = this.#http1;
    this.#http2 =
      http2 === "node"
        ? new (await import("./node-http/http2.ts")).NodeHttp2Server(this.#options)
        : new BuiltInHttp2Server({ ...this.#options, onError: (error) => log(`serve HTTP/2: ${errorText(error)}`) });
    server.listen(address);
    await once(server, "listening");
    server.on("error", (error) => log(`accept a connection: ${error.message}`));
    this.#stopWatching = watchFileDescriptors(log);
    if (http2 === "node") log("HTTP/2 is node:http2, which does not enforce every limit (docs/limits.md)");
    return server.address() ?? ""; // Node does not know the path of an inherited Unix domain socket
  }

  /** Implements `Server.renewTls`. */
  renewTls(credentials: TlsCredentials): void {
    const { https } = this.#http1;
    if (https === undefined) throw new Error("renew TLS credentials: the server was created without TLS");
    if ((credentials.clientCa === undefined) !== (this.#options.tls?.clientCa === undefined))
      throw new Error("renew TLS credentials: clientCa can be neither added nor removed");
    https.setSecureContext(secureContextOptions(credentials));
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
    this.#stopWatching?.();
    const idle = setTimeout(() => this.#pending.destroy(), idleMs);
    await Promise.all([this.#http1.drain(idleMs), this.#http2?.drain()]);
    clearTimeout(idle);
  }

  /** Closes every connection immediately. */
  destroy(): void {
    this.#pending.destroy();
    this.#http1.destroy();
    this.#http2?.destroy();
  }

  #detectProtocols(): PendingConnections {
    const { limits, onLimit, throttledLog } = this.#options;
    const { https, server } = this.#http1;
    const options = {
      http2: (socket: Socket) => this.#http2?.accept(socket),
      limits,
      onLimit,
      onRefused: (reason: string, address: string | undefined) =>
        throttledLog(reason, `refuse a connection${address === undefined ? "" : ` from ${address}`}: ${reason}`),
    };
    return https === undefined ? detectByPreface(server, options) : detectByAlpn(https, options);
  }
}
