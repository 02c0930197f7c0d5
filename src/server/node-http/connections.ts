/** The table of a server's open connections, which also checks their limits periodically. */
import type { HttpContext } from "../http/http-context.ts";
import { processNow } from "../limits/process-clock.ts";
import type { NodeConnection } from "./connection.ts";

/** The key `K` is Node's object for a connection: a socket over HTTP/1.1, a session over HTTP/2. */
export class NodeConnections<K> {
  readonly #connections = new Map<K, NodeConnection>();
  readonly #checkMs: number;
  readonly #closeGracefully: (key: K, connection: NodeConnection) => void;
  #timer: NodeJS.Timeout | undefined;

  /** `closeGracefully` begins the close of a connection that has reached its maximum age. */
  constructor(
    { limits }: HttpContext,
    closeGracefully: (key: K, connection: NodeConnection) => void = (_key, connection) => connection.close(),
  ) {
    const { requestMs, readRateMs, maxConnectionAgeMs, maxConnectionAgeGraceMs } = limits;
    const shortest = Math.min(requestMs, readRateMs, maxConnectionAgeMs, maxConnectionAgeGraceMs);
    this.#checkMs = Math.max(10, Math.min(1_000, shortest / 4));
    this.#closeGracefully = closeGracefully;
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
    const now = processNow();
    for (const [key, connection] of this.#connections) {
      if (connection.checkAge(now)) this.#closeGracefully(key, connection);
      connection.checkLimits(now);
    }
  }
}
