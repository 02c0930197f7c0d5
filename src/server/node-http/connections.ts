/** The connections of one of Node's servers, and a look at their time now and then. */

import { processNow } from "../limits/process-clock.ts";
import type { NodeConnection, NodeServerState } from "./connection.ts";

/** By what Node has for each: a socket, or a session. */
export class NodeConnections<K> {
  readonly #connections = new Map<K, NodeConnection>();
  readonly #lookMs: number;
  #looking: NodeJS.Timeout | undefined;

  constructor({ limits }: NodeServerState) {
    this.#lookMs = Math.max(10, Math.min(1_000, limits.requestMs / 4, limits.readRateMs / 4));
  }

  get(key: K): NodeConnection | undefined {
    return this.#connections.get(key);
  }

  add(key: K, connection: NodeConnection): void {
    this.#connections.set(key, connection);
    this.#looking ??= setInterval(() => this.#look(), this.#lookMs).unref();
  }

  delete(key: K): void {
    this.#connections.delete(key);
    if (this.#connections.size > 0) return;
    clearInterval(this.#looking);
    this.#looking = undefined;
  }

  [Symbol.iterator](): Iterator<[K, NodeConnection]> {
    return this.#connections.entries();
  }

  /** Requests under way. */
  get requestsInFlight(): number {
    let requests = 0;
    for (const connection of this.#connections.values()) requests += connection.requests.size;
    return requests;
  }

  #look(): void {
    for (const connection of this.#connections.values()) connection.look(processNow());
  }
}
