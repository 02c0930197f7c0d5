/**
 * Writes lines to stderr. A reader that is slow or gone never blocks the event loop, and lines that wait for it are written
 * when the process exits. process.stderr loses these, because its writes to a pipe are asynchronous.
 */
const { writeSync } = process.getBuiltinModule("node:fs");

/** Further lines are left out while this much waits. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
/** The interval between attempts while the pipe is full. */
const RETRY_MS = 10;
/** The maximum time to write the lines that wait when the process exits. */
const EXIT_MS = 1_000;

export class Stderr {
  readonly #onLeftOut: (lines: number) => void;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #leftOut = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `onLeftOut` is called with the number of lines that were left out, when lines can be written again. */
  constructor(onLeftOut: (lines: number) => void) {
    this.#onLeftOut = onLeftOut;
    void process.stderr; // sets a pipe to writes that do not block
    process.on("exit", () => this.#finish());
  }

  /** Writes a text, which ends in a line feed, now or when the reader has read what was written before. Never throws. */
  write(text: string): void {
    if (this.#waitingBytes > MAX_WAITING_BYTES) {
      this.#leftOut++;
      return;
    }
    const bytes = Buffer.from(text);
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#timer === undefined) this.#flush();
  }

  /** Writes what stderr takes, and tries again later if it does not take all. */
  #flush(): void {
    this.#timer = undefined;
    if (!this.#writeWaiting()) {
      this.#timer = setTimeout(() => this.#flush(), RETRY_MS).unref();
      return;
    }
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    if (leftOut > 0) this.#onLeftOut(leftOut);
  }

  /** Returns false if stderr does not take more now. */
  #writeWaiting(): boolean {
    while (this.#waitingBytes > 0) {
      const bytes = this.#waiting.length === 1 ? (this.#waiting[0] as Uint8Array) : Buffer.concat(this.#waiting);
      try {
        const written = writeSync(2, bytes);
        this.#waiting = [bytes.subarray(written)];
        this.#waitingBytes = bytes.length - written;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EAGAIN") {
          this.#waiting = [bytes];
          return false;
        }
        this.#waitingBytes = 0; // the reader is gone, or the disk is full
      }
    }
    this.#waiting = [];
    return true;
  }

  #finish(): void {
    const end = performance.now() + EXIT_MS;
    const cell = new Int32Array(new SharedArrayBuffer(4));
    while (!this.#writeWaiting() && performance.now() < end) Atomics.wait(cell, 0, 0, RETRY_MS);
  }
}
