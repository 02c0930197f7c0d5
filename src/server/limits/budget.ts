/** Budgets limit a resource that is reserved and released, such as buffered bytes or running handlers. */

/** A budget can have a parent. Each reserved amount then counts in both, and `tryReserve` respects both limits. */
export class Budget {
  readonly limit: number;
  readonly #parent: Budget | undefined;
  used = 0;

  constructor(limit: number, parent?: Budget) {
    this.limit = limit;
    this.#parent = parent;
  }

  /** The amount that `tryReserve` can still reserve. */
  get room(): number {
    const room = this.limit - this.used;
    return this.#parent === undefined ? room : Math.min(room, this.#parent.room);
  }

  /** True if the reserved amount has reached or exceeded `limit`. Ignores the parent. */
  get isFull(): boolean {
    return this.used >= this.limit;
  }

  /** True if the reserved amount exceeds `limit`. Only `reserve` can cause this. Ignores the parent. */
  get isExceeded(): boolean {
    return this.used > this.limit;
  }

  /** Reserves an amount and returns true. If a limit would be exceeded, reserves nothing and returns false. */
  tryReserve(amount: number): boolean {
    if (this.used + amount > this.limit) return false;
    if (this.#parent !== undefined && !this.#parent.tryReserve(amount)) return false;
    this.used += amount;
    return true;
  }

  /** Reserves an amount, even if a limit is then exceeded. */
  reserve(amount: number): void {
    this.used += amount;
    this.#parent?.reserve(amount);
  }

  release(amount: number): void {
    this.used -= amount;
    this.#parent?.release(amount);
  }
}
