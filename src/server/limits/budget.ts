/** An amount that is reserved and released under a maximum, such as buffered bytes or running handlers. */

/** A budget can have a parent. Each amount then counts in both, and `tryReserve` respects the maximum of both. */
export class Budget {
  readonly limit: number;
  readonly #parent: Budget | undefined;
  used = 0;

  constructor(limit: number, parent?: Budget) {
    this.limit = limit;
    this.#parent = parent;
  }

  /** True if the reserved amount has reached or exceeded the maximum. */
  get isFull(): boolean {
    return this.used >= this.limit;
  }

  /** True if the reserved amount exceeds the maximum. Only `reserve` can cause this. */
  get isExceeded(): boolean {
    return this.used > this.limit;
  }

  /** Reserves an amount. Returns false, and reserves nothing, if a maximum would be exceeded. */
  tryReserve(amount: number): boolean {
    if (this.used + amount > this.limit) return false;
    if (this.#parent !== undefined && !this.#parent.tryReserve(amount)) return false;
    this.used += amount;
    return true;
  }

  /** Reserves an amount unconditionally, even if a maximum is then exceeded. */
  reserve(amount: number): void {
    this.used += amount;
    this.#parent?.reserve(amount);
  }

  release(amount: number): void {
    this.used -= amount;
    this.#parent?.release(amount);
  }
}
