/**
 * Encodes field blocks that use no dynamic table (RFC 7541, 6.1 and 6.2.2): made once, a block serves every connection.
 */
import type { Field } from "../exchange.ts";
import { huffmanEncode } from "./huffman.ts";
import { STATIC_TABLE } from "./static-table.ts";

/** A dynamic table size update to 0 (6.3), for a peer that wants a smaller table than the protocol's first (4.2). */
export const NO_TABLE: Uint8Array = Uint8Array.of(0x20);

/** The block of these fields. */
export function encodeBlock(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.map(encodeField));
}

function encodeField([name, value]: Field): Buffer {
  const whole = STATIC_TABLE.findIndex(({ field }) => field[0] === name && field[1] === value && value !== "") + 1;
  if (whole > 0) return encodeInteger(0x80, 7, whole);
  const named = STATIC_TABLE.findIndex(({ field }) => field[0] === name) + 1;
  const first = encodeInteger(0, 4, named);
  return Buffer.concat(named > 0 ? [first, encodeString(value)] : [first, encodeString(name), encodeString(value)]);
}

/** An integer (5.1) below the given bits of its first byte. */
function encodeInteger(pattern: number, prefix: number, integer: number): Buffer {
  const max = (1 << prefix) - 1;
  if (integer < max) return Buffer.of(pattern | integer);
  const bytes = [pattern | max];
  let rest = integer - max;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** A string (5.2), as it is or in Huffman code, whichever is shorter. */
function encodeString(text: string): Buffer {
  const plain = Buffer.from(text, "latin1");
  const coded = huffmanEncode(text);
  return coded.length < plain.length
    ? Buffer.concat([encodeInteger(0x80, 7, coded.length), coded])
    : Buffer.concat([encodeInteger(0, 7, plain.length), plain]);
}
