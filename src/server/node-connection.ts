/** What the requests of one connection of Node's share, and the limits that Node leaves out. */
import type { Socket } from "node:net";
import type { Budget } from "./budget.ts";
import type { Handler } from "./exchange.ts";
import type { Limits, OnLimit } from "./limits.ts";
import { ReadRate } from "./read-rate.ts";

/** What all of a server's connections share. */
export interface NodeServerState {
  readonly handler: Handler;
  readonly limits: Limits;
  /** Bytes of bodies that may be held for handlers. */
  readonly gathered: Budget;
  readonly onLimit: OnLimit;
}

/** A request whose rest has only so much time. */
export interface Awaited {
  /** ms of performance.now(). */
  readonly awaitedSince: number;
  /** Its time is over. */
  expire(): void;
}

export class NodeConnection {
  readonly server: NodeServerState;
  readonly #socket: Socket;
  readonly #readRate: ReadRate;
  /** It is to end: with the answer to the newest request. */
  closing = false;
  newest: Awaited | undefined;
  /** Requests that came, and whose answers are not sent. */
  requests = 0;
  /** Those of them whose rest is awaited. */
  readonly awaited = new Set<Awaited>();

  constructor(socket: Socket, server: NodeServerState) {
    this.#socket = socket;
    this.server = server;
    this.#readRate = new ReadRate(server.limits);
  }

  /** Looks at the time, in ms of performance.now(). */
  look(now: number): void {
    const { limits, onLimit } = this.server;
    const { writableLength, bytesWritten } = this.#socket;
    const tooSlow = this.#readRate.look(now, writableLength, bytesWritten - writableLength);
    if (tooSlow !== undefined) {
      onLimit("readBytesPerSecond", tooSlow);
      this.#socket.destroy();
    }
    for (const request of this.awaited) {
      if (now - request.awaitedSince <= limits.requestMs) continue;
      onLimit("requestMs", `the request took over ${limits.requestMs} ms`);
      this.awaited.delete(request);
      request.expire();
    }
  }
}
