/** Reads a small file without blocking the process, even if it is a pipe, a device or on a slow network disk. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

export interface ReadBounds {
  readonly maxBytes: number;
  readonly ms: number;
}

/** The time between two reads of an empty pipe. */
const POLL_MS = 20;

/**
 * Reads the whole file. A pipe is read until its writer closes it, so that `<(command)` of a shell works. Rejects with
 * Node's error, or with RangeError if the file exceeds `maxBytes` or is not read within `ms`.
 */
export async function boundedRead(path: string, { maxBytes, ms }: ReadBounds): Promise<Buffer> {
  const expired = new AbortController();
  const timer = setTimeout(() => expired.abort(new RangeError(`it was not read to its end in ${ms} ms`)), ms);
  // A network disk that hangs holds a thread of Node's pool, and no abort can end that.
  const timedOut = new Promise<never>((_, reject) =>
    expired.signal.addEventListener("abort", () => reject(expired.signal.reason)),
  );
  try {
    return await Promise.race([timedOut, readAll(path, maxBytes, expired.signal)]);
  } finally {
    clearTimeout(timer);
  }
}

async function readAll(path: string, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
  // Without O_NONBLOCK, opening a pipe waits for a writer in a thread that nothing can end, not even the process's exit.
  await using file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  const isPipe = (await file.stat()).isFIFO();
  const buffer = Buffer.allocUnsafe(maxBytes + 1);
  let length = 0;
  while (!signal.aborted) {
    const bytesRead = await readSome(file, buffer, length);
    length += bytesRead ?? 0;
    if (length > maxBytes) throw new RangeError(`it is larger than ${maxBytes} bytes`);
    const mayCome = bytesRead === undefined || (isPipe && length === 0);
    if (bytesRead === 0 && !mayCome) break;
    if (mayCome) await sleep(POLL_MS);
  }
  return buffer.subarray(0, length);
}

/** Returns the number of bytes read, 0 at the end, or undefined if the pipe is empty. */
async function readSome(file: FileHandle, buffer: Buffer, offset: number): Promise<number | undefined> {
  try {
    return (await file.read(buffer, offset)).bytesRead;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return undefined;
    throw error;
  }
}
