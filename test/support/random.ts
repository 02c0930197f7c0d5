/** Random values that are reproducible by a seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  /** Returns a whole number from 0 to `limit` - 1 (xorshift). */
  below(limit: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state >>> 0;
    return this.#state % limit;
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }

  pick<T>(things: readonly T[]): T {
    return things[this.below(things.length)] as T;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }

  /** Returns a text of visible ASCII and spaces. */
  text(length: number): string {
    return String.fromCharCode(...Array.from({ length }, () => 32 + this.below(95)));
  }

  word(length: number): string {
    return String.fromCharCode(...Array.from({ length }, () => 97 + this.below(26)));
  }

  /** Splits bytes into pieces of random lengths. */
  pieces(bytes: Buffer): Buffer[] {
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + (this.chance(3) ? this.below(3) : this.below(200));
      pieces.push(bytes.subarray(at, at + length));
      at += length;
    }
    return pieces;
  }
}
