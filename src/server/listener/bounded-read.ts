/** Reads a small file without blocking the process, even if it is a pipe, a device or on a slow network disk. */
import type { FileHandle } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

export interface ReadBounds {
  readonly maxBytes: number;
  readonly ms: number;
}

/** The time between two reads of an empty pipe. */
const POLL_MS = 20;

/**
 * Reads the whole file. A pipe is read until its writer closes it, so that `<(command)` of a shell works. Rejects with
 * the error of node:fs if the file cannot be read. Rejects with RangeError if the file exceeds `maxBytes` or is not read to
 * its end within `ms`.
 */
export async function boundedRead(path: string, { maxBytes, ms }: ReadBounds): Promise<Buffer> {
  const expired = new AbortController();
  const timer = setTimeout(() => expired.abort(new RangeError(`it was not read to its end in ${ms} ms`)), ms);
  // A read from a hung network disk blocks a thread of Node and cannot be aborted. So the promise does not wait for the read.
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
  // Without O_NONBLOCK, opening a pipe would wait for its writer in a thread, and would keep the process from exiting.
  const { constants, promises } = process.getBuiltinModule("node:fs");
  const file = await promises.open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    return await readOpen(file, maxBytes, signal);
  } finally {
    await file.close();
  }
}

async function readOpen(file: FileHandle, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
  const isPipe = (await file.stat()).isFIFO();
  const buffer = Buffer.allocUnsafe(maxBytes + 1);
  let length = 0;
  while (!signal.aborted) {
    const bytesRead = await readSome(file, buffer, length);
    length += bytesRead ?? 0;
    if (length > maxBytes) throw new RangeError(`it is larger than ${maxBytes} bytes`);
    const moreMayFollow = bytesRead === undefined || (isPipe && length === 0);
    if (bytesRead === 0 && !moreMayFollow) break;
    if (moreMayFollow) await sleep(POLL_MS);
  }
  return buffer.subarray(0, length);
}

/**
 * Returns the number of bytes read. Returns 0 at the end of the file, or if a pipe does not have a writer. Returns
 * undefined if a pipe has a writer but is empty.
 */
async function readSome(file: FileHandle, buffer: Buffer, offset: number): Promise<number | undefined> {
  try {
    return (await file.read(buffer, offset)).bytesRead;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return undefined;
    throw error;
  }
}
