/** The HTTP/2 server of this project. It serves sockets that are passed to `accept`, and does not listen. */
import type { Socket } from "node:net";
import type { Http2Server } from "../http/http2-server.ts";
import type { Limits } from "../limits/limits.ts";
import { pausedWithin } from "../limits/process-clock.ts";
import { type Http2Options, ServerState } from "./server-state.ts";
import { BoundSocket, updateTime } from "./socket.ts";

const DRAINING = "the server is draining";
const CLOSING = "the server is closing";

export class BuiltInHttp2Server implements Http2Server {
  readonly #state: ServerState;
  readonly #sockets = new Set<BoundSocket>();
  /** The interval that checks the timeouts of the connections. Undefined without connections. */
  #checks: NodeJS.Timeout | undefined;
  /** The interval that checks the early streams. Undefined without early streams. */
  #earlyChecks: NodeJS.Timeout | undefined;
  /** Resolves when all connections are closed. Undefined before `drain` is called. */
  #drained: PromiseWithResolvers<void> | undefined;

  constructor(options: Http2Options) {
    this.#state = new ServerState(options);
    this.#state.time.pausedWithin = pausedWithin;
    this.#state.early.onFirst = () => {
      this.#earlyChecks ??= setInterval(() => this.#checkEarly(), earlyCheckMs(this.#state.limits)).unref();
    };
  }

  get connections(): number {
    return this.#sockets.size;
  }

  get requestsInFlight(): number {
    let streams = 0;
    for (const socket of this.#sockets) streams += socket.openStreams;
    return streams;
  }

  accept(socket: Socket): void {
    updateTime(this.#state);
    const bound = new BoundSocket(socket, this.#state, (closed) => this.#remove(closed));
    this.#sockets.add(bound);
    this.#checks ??= setInterval(() => this.#check(), checkMs(this.#state.limits)).unref();
    if (this.#drained !== undefined) bound.drain(DRAINING);
  }

  drain(): Promise<void> {
    updateTime(this.#state);
    this.#state.early.holdsResponses = false;
    if (this.#drained === undefined) {
      this.#drained = Promise.withResolvers();
      for (const socket of this.#sockets) socket.drain(DRAINING);
      if (this.#sockets.size === 0) this.#drained.resolve();
    }
    return this.#drained.promise;
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy(CLOSING);
  }

  #check(): void {
    updateTime(this.#state);
    for (const socket of this.#sockets) socket.checkTimeouts();
  }

  #checkEarly(): void {
    updateTime(this.#state);
    this.#state.early.check();
    if (!this.#state.early.isEmpty) return;
    clearInterval(this.#earlyChecks);
    this.#earlyChecks = undefined;
  }

  #remove(socket: BoundSocket): void {
    this.#sockets.delete(socket);
    if (this.#sockets.size > 0) return;
    clearInterval(this.#checks);
    this.#checks = undefined;
    this.#drained?.resolve();
  }
}

/**
 * Returns the interval at which early streams are checked, in ms: a quarter of the shortest of the three limits, but at
 * least 10 ms and at most 1 s.
 */
function earlyCheckMs({ earlyResponseMs, earlyResponseIdleMs, discardIdleMs }: Limits): number {
  return Math.max(10, Math.min(1_000, Math.min(earlyResponseMs, earlyResponseIdleMs, discardIdleMs) / 4));
}

/**
 * Returns the interval at which connections are checked, in ms: a quarter of the shortest timeout, but at least 10 ms
 * and at most 1 s.
 */
function checkMs(limits: Limits): number {
  const shortest = Math.min(
    limits.settingsMs,
    limits.headersMs,
    limits.requestMs,
    limits.idleMs,
    limits.maxConnectionAgeMs,
    limits.maxConnectionAgeGraceMs,
    limits.keepaliveMs,
    limits.pingTimeoutMs,
    limits.gracefulCloseMs,
    limits.readRateMs,
  );
  return Math.max(10, Math.min(1_000, shortest / 4));
}
