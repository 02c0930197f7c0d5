/** A limit as a quantity that is taken and given back. */

/** An amount with a ceiling, and perhaps a wider one over it: what is taken is given back. */
export class Budget {
  readonly limit: number;
  readonly #parent: Budget | undefined;
  used = 0;

  constructor(limit: number, over?: Budget) {
    this.limit = limit;
    this.#parent = over;
  }

  /** Whether nothing more can be taken. */
  get isFull(): boolean {
    return this.used >= this.limit;
  }

  /** Whether more was added than there is room for. */
  get isExceeded(): boolean {
    return this.used > this.limit;
  }

  /** Takes an amount; false, and takes nothing, where that would be over a ceiling. */
  tryReserve(amount: number): boolean {
    if (this.used + amount > this.limit) return false;
    if (this.#parent !== undefined && !this.#parent.tryReserve(amount)) return false;
    this.used += amount;
    return true;
  }

  /** Takes an amount that cannot be refused any more. */
  reserve(amount: number): void {
    this.used += amount;
    this.#parent?.reserve(amount);
  }

  release(amount: number): void {
    this.used -= amount;
    this.#parent?.release(amount);
  }
}
