/** One connection of a Node server: its requests, and the limits that Node does not enforce. */
import type { Socket } from "node:net";
import type { ConnectionPeer } from "../http/exchange.ts";
import type { HttpContext } from "../http/http-context.ts";
import { oldConnectionMessage, slowRequestMessage } from "../http/limit-messages.ts";
import { ConnectionAge } from "../limits/connection-age.ts";
import { processNow } from "../limits/process-clock.ts";
import type { ResponseHolder } from "../limits/queued-responses.ts";
import { ReadRate } from "../limits/read-rate.ts";
import { SocketPeer } from "../listener/socket-peer.ts";

/** One request of a connection. */
export interface NodeRequest {
  /** Time in ms of performance.now(). */
  readonly startedAt: number;
  /**
   * Time at which waiting for the rest of the request began, in ms of `processNow`. Valid while the request is in
   * `receiving`.
   */
  readonly receivingSince: number;
  /** True if the whole request was received. */
  readonly isComplete: boolean;
  /** True if the response to this request waits for the response to an earlier one (pipelining: RFC 9112, 9.3.2). */
  readonly isBlocked: boolean;
  /**
   * Ends the exchange without its handler, and over HTTP/1.1 closes the connection. If the response has begun, resets the
   * exchange. Otherwise sends the early response that is held, or a response with `status`.
   */
  refuse(status: number): void;
  /** Cancels the exchange. Called before its connection is closed, if Node would not emit an event for the request. */
  cancel(): void;
  /** Called, once or several times, when the response is sent or the connection is closed. */
  closed?(): void;
  /** Measures the body and the queued response bytes, at the time `now` in ms of `processNow`. Called before each check. */
  measure?(now: number): void;
  /** Called when the connection must close after the response to its newest request. */
  connectionClosing?(): void;
  /** True if the user of the request has a listener for the timeout of the socket. */
  readonly handlesTimeout?: boolean;
}

/** The part of a socket that a connection uses. */
export interface ConnectionSocket extends Partial<Pick<Socket, "writableLength" | "bytesWritten">> {
  /** True for TLS. A plain socket of Node's does not have this property. */
  readonly encrypted?: boolean;
  destroy(): void;
  /** Calls the listener when the socket closes. Only sockets of HTTP/1.1 need this method. */
  once?(event: "close", listener: () => void): unknown;
}

/** A set of requests in the order of their addition. If it has one, as usual, adding and deleting costs less than with Set. */
export class RequestSet implements Iterable<NodeRequest> {
  #first: NodeRequest | undefined;
  /** The requests that were added while the set was not empty. Undefined until there are any. */
  #others: Set<NodeRequest> | undefined;

  get size(): number {
    return (this.#first === undefined ? 0 : 1) + (this.#others?.size ?? 0);
  }

  has(request: NodeRequest): boolean {
    return this.#first === request || this.#others?.has(request) === true;
  }

  add(request: NodeRequest): void {
    if (this.size === 0) this.#first = request;
    else if (request !== this.#first) {
      this.#others ??= new Set();
      this.#others.add(request);
    }
  }

  delete(request: NodeRequest): void {
    if (this.#first === request) this.#first = undefined;
    else this.#others?.delete(request);
  }

  *[Symbol.iterator](): Generator<NodeRequest, void> {
    if (this.#first !== undefined) yield this.#first;
    if (this.#others !== undefined) yield* this.#others;
  }
}

export class NodeConnection implements ResponseHolder {
  readonly context: HttpContext;
  /** True for TLS. */
  readonly isSecure: boolean;
  /** True if only exchanges finish the responses of this connection. No exchange then outlives the socket. */
  readonly isExclusive: boolean;
  readonly #socket: ConnectionSocket;
  readonly #readRate: ReadRate;
  readonly #age: ConnectionAge;
  #peer: ConnectionPeer | undefined;
  /** True if the connection must close after the response to its newest request. */
  isClosing = false;
  /**
   * Number of requests since the limit pipelinedRequests was exceeded. The first of them gets 429, the final response of
   * the connection. The others are ignored.
   */
  refusedRequests = 0;
  /** True if the current idle timeout was extended already, because the process was paused. */
  idleExtended = false;
  /** The newest request. Undefined if it is complete and its response is sent. */
  newest: NodeRequest | undefined;
  /** Response bytes that wait for the client. */
  queuedBytes = 0;
  /** Response bytes that have waited, and that the client has read then. */
  #readBytes = 0;
  #isShed = false;
  /** Requests whose response is not sent yet, in the order in which they were received. */
  readonly requests = new RequestSet();
  /** Requests whose rest must be received within the limit requestMs. */
  readonly receiving = new RequestSet();

  constructor(socket: ConnectionSocket, context: HttpContext, { isExclusive = false } = {}) {
    this.#socket = socket;
    this.isExclusive = isExclusive;
    this.isSecure = socket.encrypted === true;
    this.context = context;
    this.#readRate = new ReadRate(context.limits);
    this.#age = new ConnectionAge(context.limits, processNow());
    socket.once?.("close", () => this.#socketClosed());
    if ("remoteAddress" in socket) this.#peer = context.peerOf?.(socket as Socket);
  }

  /** The peer of the connection. Undefined if an adapter has an HTTP/2 session, and not its socket. */
  get peer(): ConnectionPeer | undefined {
    if (this.#peer === undefined && "remoteAddress" in this.#socket)
      this.#peer = new SocketPeer(this.#socket as Socket);
    return this.#peer;
  }

  #socketClosed(): void {
    for (const request of this.requests) {
      // Node 22 does not emit "close" for a response that waits for an earlier one.
      if (request.isBlocked) request.cancel();
      else request.closed?.();
    }
  }

  /** Adds `change`, which may be negative, to the response bytes that wait for the client. Does nothing after `shed`. */
  changeQueued(change: number): void {
    if (this.#isShed || change === 0) return;
    this.queuedBytes += change;
    if (change < 0) this.#readBytes -= change;
    this.context.queued.changed(this, change);
  }

  /** From now on, the connection closes after the response to its newest request. */
  close(): void {
    this.isClosing = true;
    for (const request of this.requests) request.connectionClosing?.();
  }

  /** Destroys the connection. Dropping a single response is impossible, because HTTP/1.1 sends responses in order. */
  shed(): void {
    this.changeQueued(-this.queuedBytes);
    this.#isShed = true;
    this.#socket.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Measures all requests that have to be measured, at the time `now` in ms of `processNow`. */
  measure(now: number): void {
    for (const request of this.requests) request.measure?.(now);
    for (const request of this.receiving) if (!this.requests.has(request)) request.measure?.(now);
  }

  /**
   * Returns true once, when the connection has reached its maximum age and must close gracefully. Later ends its requests if
   * they take too long. `now` is in ms of `processNow`.
   */
  checkAge(now: number): boolean {
    // Requests that follow each other without a pause (pipelining) can keep the connection open, so each has the whole grace.
    const [oldest] = this.requests;
    const oldestAt = oldest === undefined ? 0 : now - (performance.now() - oldest.startedAt);
    const due = this.#age.check(now, this.requests.size > 0 || this.receiving.size > 0, oldestAt);
    if (due === "cut") this.#socket.destroy();
    if (due === "end-exchanges") {
      const { limits, onLimit, endExchanges } = this.context;
      onLimit("maxConnectionAgeGraceMs", oldConnectionMessage(limits));
      if (this.peer !== undefined) endExchanges(this.peer);
    }
    return due === "close";
  }

  /** Enforces the limits on time and on the read rate, at the time `now` in ms of `processNow`. */
  checkLimits(now: number): void {
    const { limits, onLimit } = this.context;
    // The socket below an HTTP/2 session does not have the bytes that wait for flow-control window.
    const { writableLength = this.queuedBytes, bytesWritten = this.#readBytes + this.queuedBytes } = this.#socket;
    const tooSlow = this.#readRate.check(now, writableLength, bytesWritten - writableLength);
    if (tooSlow !== undefined) {
      onLimit("readBytesPerSecond", tooSlow);
      this.#socket.destroy();
    }
    this.measure(now);
    for (const request of this.receiving) {
      if (now - request.receivingSince <= limits.requestMs) continue;
      onLimit("requestMs", slowRequestMessage(limits));
      this.receiving.delete(request);
      request.refuse(408);
    }
    for (const request of this.requests) {
      if (!request.isBlocked || performance.now() - request.startedAt <= limits.deadlineMs) continue;
      // Only an earlier streaming call can take so long. Node may have stopped reading meanwhile, and would then not
      // notice that the client has disconnected.
      onLimit("deadlineMs", `a pipelined request waited over ${limits.deadlineMs} ms for its turn`);
      this.#socket.destroy();
      return;
    }
  }
}
