/** The memory that a decoded message takes, which may be eighty times its bytes: fields of two bytes become objects. */

/** Messages of fewer bytes are not weighed: most calls have small ones, and the largest of those take 5 MB. */
export const MIN_WEIGHED_BYTES = 65_536;

// Measured on messages of 4 MiB (V8 of Node 26, 64 bits): unknown fields take 163 bytes each, empty messages in a list 115.
const OBJECT_BYTES = 64;
const VALUE_BYTES = 16;

/** Estimates the bytes of heap that an object takes with all that is in it. */
export function weigh(object: object): number {
  let bytes = 0;
  const left: object[] = [object];
  function add(value: unknown): void {
    bytes += VALUE_BYTES;
    if (typeof value === "string") bytes += value.length;
    else if (typeof value === "object" && value !== null) left.push(value);
  }
  for (let each = left.pop(); each !== undefined; each = left.pop()) {
    bytes += OBJECT_BYTES;
    if (Array.isArray(each)) for (let i = 0; i < each.length; i++) add(each[i]);
    // Bytes are a part of the request's body, which has its own room.
    else if (!(each instanceof Uint8Array)) for (const name in each) add(each[name as keyof typeof each]);
  }
  return bytes;
}
