/** What the requests of one connection of Node's share, and the limits that Node leaves out. */
import type { Socket } from "node:net";
import type { Handler } from "../http/exchange.ts";
import type { Budget } from "../limits/budget.ts";
import type { Limits, OnLimit } from "../limits/limits.ts";
import type { QueuedResponses, ResponseHolder } from "../limits/queued-responses.ts";
import { ReadRate } from "../limits/read-rate.ts";

/** What all of a server's connections share. */
export interface NodeServerState {
  readonly handler: Handler;
  readonly limits: Limits;
  /** Bytes of bodies that may be held for handlers. */
  readonly buffered: Budget;
  /** Response bytes that wait for clients. */
  readonly queued: QueuedResponses;
  readonly onLimit: OnLimit;
}

/** A request of a connection. */
export interface NodeRequest {
  /** ms of performance.now(). */
  readonly startedAt: number;
  /** Since when its rest is awaited, where it is, in ms of runningTime(). */
  readonly awaitedSince: number;
  /** Whether all of it came. */
  readonly isWhole: boolean;
  /** Whether its answer waits for that of another, which came before (RFC 9112, 9.3.2). */
  readonly waitsForTurn: boolean;
  /** Answers it in its handler's place, and ends the connection; or ends that at once, where the answer has begun. */
  refuse(status: number): void;
  /** The connection is gone, and Node has forgotten the request. */
  abandon(): void;
}

export class NodeConnection implements ResponseHolder {
  readonly server: NodeServerState;
  readonly #socket: Socket;
  readonly #readRate: ReadRate;
  /** It is to end: with the answer to the newest request. */
  closing = false;
  /** Requests that were refused: with the first it is to end, and what still comes is not looked at. */
  refused = 0;
  /** True if it was given more idle time, since the process did not run in some of it. */
  idleExtended = false;
  /** The newest request; undefined if it came whole and is answered. */
  newest: NodeRequest | undefined;
  /** Response bytes that wait for the client. */
  queuedBytes = 0;
  #isShed = false;
  /** Requests that came, and whose answers are not sent, in their order. */
  readonly requests = new Set<NodeRequest>();
  /** Requests whose rest has only so much time. */
  readonly awaited = new Set<NodeRequest>();

  constructor(socket: Socket, server: NodeServerState) {
    this.#socket = socket;
    this.server = server;
    this.#readRate = new ReadRate(server.limits);
  }

  /** Takes note of response bytes that wait for the client, or no longer do. */
  queue(change: number): void {
    if (this.#isShed || change === 0) return;
    this.queuedBytes += change;
    this.server.queued.changed(this, change);
  }

  /** Ends the connection: its responses have an order, so none can be dropped alone. */
  shed(): void {
    this.queue(-this.queuedBytes);
    this.#isShed = true;
    this.#socket.destroy();
  }

  /** Looks at the time, in ms of runningTime(). */
  look(now: number): void {
    const { limits, onLimit } = this.server;
    const { writableLength, bytesWritten } = this.#socket;
    const tooSlow = this.#readRate.check(now, writableLength, bytesWritten - writableLength);
    if (tooSlow !== undefined) {
      onLimit("readBytesPerSecond", tooSlow);
      this.#socket.destroy();
    }
    for (const request of this.awaited) {
      if (now - request.awaitedSince <= limits.requestMs) continue;
      onLimit("requestMs", `the request took over ${limits.requestMs} ms`);
      this.awaited.delete(request);
      request.refuse(408);
    }
    for (const request of this.requests) {
      if (!request.waitsForTurn || performance.now() - request.startedAt <= limits.deadlineMs) continue;
      // Only a stream before it takes so long, and while answers wait Node may read nothing, not even that the peer is gone.
      onLimit("deadlineMs", `a pipelined request waited over ${limits.deadlineMs} ms for its turn`);
      this.#socket.destroy();
      return;
    }
  }
}
