/** The sockets that a server listens on, and the limits on open connections, which count over all of them together. */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Limits, OnLimit } from "../limits/limits.ts";
import type { Log } from "../log/record.ts";
import { ConnectionsPerAddress } from "./connections-per-address.ts";
import { watchFileDescriptors } from "./file-descriptors.ts";
import { type BoundAddress, isLocal, type NodeListenOptions } from "./listen-address.ts";
import { asSocket, refuseOtherStreams } from "./stream-socket.ts";
import type { TrustedProxies } from "./trusted-proxies.ts";

export interface ListenersOptions {
  readonly limits: Limits;
  readonly onLimit: OnLimit;
  readonly log: Log;
  /** True if connections stay open for responses after the client has closed its side. */
  readonly allowHalfOpen: boolean;
  /** The proxies that may name the client. Their own connections do not count by address. */
  readonly trustedProxies: TrustedProxies | undefined;
  /** Serves a connection, which is that of a trusted proxy or not. Its bytes are unread, and it has no "error" listener yet. */
  readonly onConnection: (socket: Socket, isProxy: boolean) => void;
  /** Called when a connection that was passed to `onConnection` is closed. */
  readonly onClose: (socket: Socket) => void;
}

export class Listeners {
  readonly #options: ListenersOptions;
  readonly #perAddress: ConnectionsPerAddress;
  readonly #servers: Server[] = [];
  readonly #bound: BoundAddress[] = [];
  readonly #closed = Promise.withResolvers<void>();
  /** The "close" listener of all sockets. A closure for each socket would cost memory. */
  readonly #onClose: (this: Socket) => void;
  #isClosing = false;
  #connections = 0;
  #stopWatching: (() => void) | undefined;

  constructor(options: ListenersOptions) {
    this.#options = options;
    this.#perAddress = new ConnectionsPerAddress(options.limits, options.onLimit);
    const remove = (socket: Socket): void => this.#remove(socket);
    this.#onClose = function () {
      remove(this);
    };
  }

  /** True if only this machine can connect. Also true without a listener. */
  get isLocal(): boolean {
    return this.#bound.every(isLocal);
  }

  /** True if this machine can connect by TCP, and other machines cannot connect. */
  get isLoopbackOnly(): boolean {
    return this.isLocal && this.#bound.some((bound) => typeof bound !== "string");
  }

  /** Listens on one more address, and resolves with it. Rejects with Node's error if the server cannot listen there. */
  async open(address: NodeListenOptions): Promise<BoundAddress> {
    const { allowHalfOpen, log } = this.#options;
    const server = createServer({ allowHalfOpen, ...this.#keepalive(), noDelay: true });
    // Node closes a connection over this maximum before it creates a socket.
    Object.defineProperty(server, "maxConnections", { get: () => (this.#isFull ? 0 : Number.POSITIVE_INFINITY) });
    // Otherwise a worker of node:cluster passes the connection on, and full workers pass it around without an end.
    Object.assign(server, { dropMaxConnection: true });
    server.on("drop", () => this.#reportFull());
    server.on("connection", (socket) => this.#serve(socket));
    server.listen(address);
    await once(server, "listening");
    server.on("error", ({ message, code }: NodeJS.ErrnoException) =>
      log({ level: "error", event: "accept_error", message: `accept a connection: ${message}`, code }),
    );
    const bound = server.address() ?? ""; // Node does not know the path of an inherited Unix domain socket
    this.#servers.push(server);
    this.#bound.push(bound);
    this.#stopWatching ??= watchFileDescriptors(log);
    return bound;
  }

  /**
   * Serves a connection that the caller has accepted. Destroys `stream` if it is closed on either side, if a limit on
   * connections is reached, or after `close`. Throws TypeError if `stream` is not a stream of bytes.
   */
  accept(stream: Duplex): void {
    refuseOtherStreams(stream);
    const isOpen = stream.readable && stream.writable && !this.#isClosing;
    if (isOpen && this.#isFull) this.#reportFull();
    if (!isOpen || this.#isFull) {
      stream.destroy();
      return;
    }
    const socket = asSocket(stream);
    const { keepAlive, keepAliveInitialDelay } = this.#keepalive();
    socket.allowHalfOpen = this.#options.allowHalfOpen;
    socket.setNoDelay(true).setKeepAlive(keepAlive, keepAliveInitialDelay);
    this.#serve(socket);
  }

  /** Counts a connection by the address of the client that a proxy has named. Returns false if that has too many. */
  tryAddClient(socket: Socket): boolean {
    return this.#isProxy(socket) || this.#perAddress.tryAdd(socket);
  }

  /** Stops listening. Open connections stay open. Resolves when all are closed. */
  close(): Promise<void> {
    this.#isClosing = true;
    this.#stopWatching?.();
    for (const server of this.#servers) server.close();
    this.#resolveIfClosed();
    return this.#closed.promise;
  }

  get #isFull(): boolean {
    return this.#connections >= this.#options.limits.connections;
  }

  #reportFull(): void {
    const { limits, onLimit } = this.#options;
    onLimit("connections", `connections exceed ${limits.connections}`);
  }

  #keepalive(): { readonly keepAlive: boolean; readonly keepAliveInitialDelay: number } {
    const { keepaliveMs } = this.#options.limits;
    const keepAlive = Number.isFinite(keepaliveMs);
    return { keepAlive, keepAliveInitialDelay: keepAlive ? keepaliveMs : 0 };
  }

  #serve(socket: Socket): void {
    const isProxy = this.#isProxy(socket);
    if (!isProxy && !this.#perAddress.tryAdd(socket)) {
      socket.destroy();
      return;
    }
    this.#connections++;
    socket.on("close", this.#onClose);
    this.#options.onConnection(socket, isProxy);
  }

  #isProxy(socket: Socket): boolean {
    return this.#options.trustedProxies?.includes(socket) === true;
  }

  #remove(socket: Socket): void {
    this.#connections--;
    this.#options.onClose(socket);
    this.#resolveIfClosed();
  }

  #resolveIfClosed(): void {
    if (this.#isClosing && this.#connections === 0) this.#closed.resolve();
  }
}
