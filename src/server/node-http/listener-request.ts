/** A request that a listener of node:http serves with Node's own objects, and the limits that hold for it. */
import type { Exchange, NodeMessages } from "../http/exchange.ts";
import { processNow } from "../limits/process-clock.ts";
import type { NodeConnection, NodeRequest } from "./connection.ts";
import { closeWithStatus, discardRest } from "./early-response.ts";

export class ListenerRequest implements NodeRequest {
  readonly startedAt: number;
  receivingSince = 0;
  readonly #req: NodeMessages["req"];
  readonly #res: NodeMessages["res"];
  readonly #connection: NodeConnection;
  readonly #onClosed: () => void;
  readonly #hasBody: boolean;
  #isClosed = false;
  #measuredAt = 0;
  /** The bytes that the connection had received at `receivingSince`. */
  #bytesBefore = 0;
  /** The bytes of the response that wait for the client. */
  #queuedBytes = 0;

  /** Adds the request to its connection, in place of `exchange`. Calls `onClosed` once, when the response is closed. */
  constructor(exchange: Exchange, { req, res }: NodeMessages, connection: NodeConnection, onClosed: () => void) {
    this.startedAt = exchange.startedAt;
    this.#req = req;
    this.#res = res;
    this.#connection = connection;
    this.#onClosed = onClosed;
    this.#hasBody = exchange.hasBody;
    // One connection can make many responses wait between two checks.
    if (connection.requests.size > 0) connection.measure(processNow());
    connection.requests.add(this);
    connection.newest = this;
    if (connection.isClosing) this.connectionClosing();
    res.on("close", () => this.#closed());
    if (!this.#hasBody) return;
    this.#bytesBefore = req.socket.bytesRead;
    this.#measuredAt = processNow();
    this.receivingSince = this.#measuredAt;
    connection.receiving.add(this);
    res.prependListener("finish", () => this.#responded()); // before Node's own listener, which discards the body
  }

  get isComplete(): boolean {
    return this.#req.complete;
  }

  get isBlocked(): boolean {
    return this.#res.socket === null;
  }

  get handlesTimeout(): boolean {
    return this.#req.listenerCount("timeout") > 0 || this.#res.listenerCount("timeout") > 0;
  }

  refuse(status: number): void {
    if (this.#res.headersSent || this.isBlocked) this.#req.socket.destroy();
    else closeWithStatus(this.#req.socket, status);
  }

  cancel(): void {
    this.#res.destroy();
    this.#res.emit("close"); // Node does not emit "close" here
  }

  /** Makes Node add `Connection: close` to the response, if this request is still the newest when the head is sent. */
  connectionClosing(): void {
    let keepsAlive = this.#res.shouldKeepAlive;
    Object.defineProperty(this.#res, "shouldKeepAlive", {
      get: () => keepsAlive && !(this.#connection.newest === this && (this.isComplete || !this.#hasBody)),
      set: (value: boolean) => {
        keepsAlive = value;
      },
    });
  }

  measure(now: number): void {
    this.#countQueued(this.#res.destroyed ? 0 : this.#res.writableLength);
    if (this.isComplete) this.#connection.receiving.delete(this);
    else this.#measureBody(now);
  }

  /**
   * The client has `requestMs` for each `messageBytes` of the body, because a body may have any size. The time in which
   * the listener does not read the body is not counted.
   */
  #measureBody(now: number): void {
    const { bytesRead } = this.#req.socket;
    if (bytesRead - this.#bytesBefore >= this.#connection.context.limits.messageBytes) {
      this.receivingSince = now;
      this.#bytesBefore = bytesRead;
    } else if (this.#req.readableLength >= this.#req.readableHighWaterMark) {
      this.receivingSince += now - this.#measuredAt;
    }
    this.#measuredAt = now;
  }

  #countQueued(bytes: number): void {
    const change = bytes - this.#queuedBytes;
    this.#queuedBytes = bytes;
    this.#connection.changeQueued(change);
  }

  /** Discards the rest of the request, within the limits of early responses, unless the listener reads it. */
  #responded(): void {
    if (this.isComplete || this.#req.readableDidRead) return;
    this.receivingSince = 0;
    discardRest(this.#req, this.#res, this.#connection.context, () => this.#connection.receiving.delete(this));
  }

  #closed(): void {
    if (this.#isClosed) return; // `cancel` and Node may both emit "close"
    this.#isClosed = true;
    const { requests, receiving } = this.#connection;
    requests.delete(this);
    if (this.isComplete) receiving.delete(this);
    // Otherwise an idle connection would keep its previous request and response alive.
    if (this.#connection.newest === this && this.isComplete) this.#connection.newest = undefined;
    this.#countQueued(0);
    this.#onClosed();
  }
}
