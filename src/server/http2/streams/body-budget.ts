/** The memory for the request bodies of one connection. */
import { bufferedBytesMessage } from "../../http/limit-messages.ts";
import { Budget } from "../../limits/budget.ts";
import type { Limits, OnLimit } from "../../limits/limits.ts";

export class BodyBudget {
  readonly #limits: Limits;
  readonly #onLimit: OnLimit;
  readonly #budget: Budget;

  /** `server` is the budget of all connections. */
  constructor(limits: Limits, server: Budget, onLimit: OnLimit) {
    this.#limits = limits;
    this.#onLimit = onLimit;
    this.#budget = new Budget(limits.bufferedBytesPerConnection, server);
  }

  /** The number of bytes that `tryReserve` can still reserve. */
  get room(): number {
    return this.#budget.room;
  }

  /** Reserves bytes. Returns false, and reports the limit, if the connection or the server has no room for them. */
  tryReserve(bytes: number): boolean {
    if (this.#budget.tryReserve(bytes)) return true;
    const { bufferedBytesPerConnection } = this.#limits;
    if (this.#budget.used + bytes > bufferedBytesPerConnection) {
      this.#onLimit("bufferedBytesPerConnection", `bodies of a connection exceed ${bufferedBytesPerConnection} bytes`);
    } else this.#onLimit("bufferedBytes", bufferedBytesMessage(this.#limits));
    return false;
  }

  release(bytes: number): void {
    this.#budget.release(bytes);
  }
}
