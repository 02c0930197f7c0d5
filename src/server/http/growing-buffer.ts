/** A body that is taken whole, of pieces of Node's. */

/** In a buffer of its own that grows by doubling: each piece keeps the whole chunk of input alive that it came in. */
export class GrowingBuffer {
  #buffer: Buffer = NOTHING;
  size = 0;

  add(piece: Buffer): void {
    const size = this.size + piece.length;
    if (this.size === 0) this.#buffer = Buffer.from(piece);
    else {
      if (this.#buffer.length < size) {
        const grown = Buffer.allocUnsafe(Math.max(256, size * 2));
        this.#buffer.copy(grown, 0, 0, this.size);
        this.#buffer = grown;
      }
      piece.copy(this.#buffer, this.size);
    }
    this.size = size;
  }

  get bytes(): Buffer {
    return this.#buffer.length === this.size ? this.#buffer : this.#buffer.subarray(0, this.size);
  }
}

const NOTHING = Buffer.alloc(0);
