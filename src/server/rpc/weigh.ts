/**
 * Estimates the memory of decoded messages: up to 80 times their encoded size, because a field of two bytes can become
 * an object.
 */

/**
 * Messages with fewer encoded bytes are not weighed. Most messages are that small. Such a message takes about 5 MB at
 * most when decoded.
 */
export const MIN_WEIGHED_BYTES = 65_536;

// Measured with messages of 4 MiB on V8 (Node 26, 64 bits): an unknown field takes 163 bytes, an empty message in a list 115.
const OBJECT_BYTES = 64;
const VALUE_BYTES = 16;

/** Estimates the heap memory of an object and everything in it, in bytes. */
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
    // A bytes field is a view of the encoded message, which is counted already.
    else if (!(each instanceof Uint8Array)) for (const name in each) add(each[name as keyof typeof each]);
  }
  return bytes;
}
