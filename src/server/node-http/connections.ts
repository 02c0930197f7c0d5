/** The table of a server's open connections, which also checks their limits periodically. */
import type { HttpContext } from "../http/http-context.ts";
import { processNow } from "../limits/process-clock.ts";
import type { NodeConnection } from "./connection.ts";

/** The key `K` is Node's object for a connection: a socket over HTTP/1.1, a session over HTTP/2. */
export class NodeConnections<K> {
  readonly #connections = new Map<K, NodeConnection>();
  readonly #checkMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor({ limits }: HttpContext) {
    this.#checkMs = Math.max(10, Math.min(1_000, limits.requestMs / 4, limits.readRateMs / 4));
  }

  get(key: K): NodeConnection | undefined {
    return this.#connections.get(key);
  }

  add(key: K, connection: NodeConnection): void {
    this.#connections.set(key, connection);
    this.#timer ??= setInterval(() => this.#checkLimits(), this.#checkMs).unref();
  }

  delete(key: K): void {
    this.#connections.delete(key);
    if (this.#connections.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  [Symbol.iterator](): Iterator<[K, NodeConnection]> {
    return this.#connections.entries();
  }

  get size(): number {
    return this.#connections.size;
  }

  /** Number of requests whose response is not complete. */
  get requestsInFlight(): number {
    let requests = 0;
    for (const connection of this.#connections.values()) requests += connection.requests.size;
    return requests;
  }

  #checkLimits(): void {
    for (const connection of this.#connections.values()) connection.checkLimits(processNow());
  }
}
