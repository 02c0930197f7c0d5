/**
 * Writes lines to stderr. A reader that is slow or gone never blocks the event loop, and lines that wait for it are written
 * when the process exits. process.stderr loses these, because its writes to a pipe are asynchronous.
 */
const { writeSync } = process.getBuiltinModule("node:fs");

/** Further lines are left out while this much waits. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
/**
 * The maximum size of one write: PIPE_BUF of Linux. A pipe takes such a write as a whole or not at all, so lines of processes
 * that share the pipe do not mix. Only a longer line can be broken.
 */
const MAX_WRITE_BYTES = 4_096;
/** The interval between attempts while the pipe is full. */
const RETRY_MS = 10;
/** The maximum time to write the lines that wait when the process exits. */
const EXIT_MS = 1_000;

export class Stderr {
  readonly #onLeftOut: (lines: number) => void;
  #waiting: Buffer[] = [];
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
    const [first] = this.#waiting;
    if (first === undefined) return true;
    const bytes = this.#waiting.length === 1 ? first : Buffer.concat(this.#waiting);
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(2, bytes, written, groupBytes(bytes, written));
    } catch (error) {
      const isFull = (error as NodeJS.ErrnoException).code === "EAGAIN";
      if (!isFull) written = bytes.length; // the reader is gone, or the disk is full
    }
    const rest = bytes.subarray(written);
    this.#waiting = rest.length === 0 ? [] : [rest];
    this.#waitingBytes = rest.length;
    return rest.length === 0;
  }

  #finish(): void {
    const end = performance.now() + EXIT_MS;
    const cell = new Int32Array(new SharedArrayBuffer(4));
    while (!this.#writeWaiting() && performance.now() < end) Atomics.wait(cell, 0, 0, RETRY_MS);
  }
}

/** Returns the size of the lines after `start` that one write takes: those that fit in MAX_WRITE_BYTES, or one longer line. */
function groupBytes(bytes: Buffer, start: number): number {
  const end = bytes.subarray(start, start + MAX_WRITE_BYTES).lastIndexOf("\n") + 1;
  return end > 0 ? end : bytes.indexOf("\n", start) + 1 - start;
}
