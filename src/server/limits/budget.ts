/** A limit as a quantity that is taken and given back. */

/** An amount with a ceiling, and perhaps a wider one over it: what is taken is given back. */
export class Budget {
  readonly limit: number;
  readonly #over: Budget | undefined;
  taken = 0;

  constructor(limit: number, over?: Budget) {
    this.limit = limit;
    this.#over = over;
  }

  /** Whether nothing more can be taken. */
  get spent(): boolean {
    return this.taken >= this.limit;
  }

  /** Whether more was added than there is room for. */
  get exceeded(): boolean {
    return this.taken > this.limit;
  }

  /** Takes an amount; false, and takes nothing, where that would be over a ceiling. */
  take(amount: number): boolean {
    if (this.taken + amount > this.limit) return false;
    if (this.#over !== undefined && !this.#over.take(amount)) return false;
    this.taken += amount;
    return true;
  }

  /** Takes an amount that cannot be refused any more. */
  add(amount: number): void {
    this.taken += amount;
    this.#over?.add(amount);
  }

  giveBack(amount: number): void {
    this.taken -= amount;
    this.#over?.giveBack(amount);
  }
}
