/**
 * Encodes field blocks that use no dynamic table (RFC 7541, 6.1 and 6.2.2): made once, a block serves every connection.
 */
import type { Field } from "../../http/exchange.ts";
import { huffmanEncode, huffmanLength } from "./huffman.ts";
import { STATIC_TABLE } from "./static-table.ts";

/** A dynamic table size update to 0 (6.3), for a peer that wants a smaller table than the protocol's first (4.2). */
export const EMPTY_TABLE_UPDATE: Uint8Array = Uint8Array.of(0x20);

/** The first index of each name of the static table, and the index of each whole field, as "name: value". */
const NAMES: ReadonlyMap<string, number> = new Map(
  STATIC_TABLE.map(({ field }, i) => [field[0], i + 1] as const).reverse(),
);
const FIELDS: ReadonlyMap<string, number> = new Map(
  STATIC_TABLE.map(({ field }, i) => [field.join(": "), i + 1] as const).filter(([field]) => !field.endsWith(": ")),
);

/** The block of these fields. */
export function encodeBlock(fields: readonly Field[]): Buffer {
  const out: number[] = [];
  for (const field of fields) encodeField(field, out);
  return Buffer.from(out);
}

function encodeField([name, value]: Field, out: number[]): void {
  const whole = FIELDS.get(`${name}: ${value}`);
  if (whole !== undefined) {
    encodeInteger(0x80, 7, whole, out);
    return;
  }
  const named = NAMES.get(name) ?? 0;
  encodeInteger(0, 4, named, out);
  if (named === 0) encodeString(name, out);
  encodeString(value, out);
}

/** An integer (5.1) below the given bits of its first byte. */
function encodeInteger(pattern: number, prefix: number, integer: number, out: number[]): void {
  const max = (1 << prefix) - 1;
  if (integer < max) {
    out.push(pattern | integer);
    return;
  }
  out.push(pattern | max);
  let rest = integer - max;
  for (; rest >= 0x80; rest >>>= 7) out.push((rest & 0x7f) | 0x80);
  out.push(rest);
}

/** A string (5.2) in latin1, as it is or in Huffman code, whichever is shorter. */
function encodeString(text: string, out: number[]): void {
  const coded = huffmanLength(text);
  if (coded < text.length) {
    encodeInteger(0x80, 7, coded, out);
    huffmanEncode(text, out);
  } else {
    encodeInteger(0, 7, text.length, out);
    for (let i = 0; i < text.length; i++) out.push(text.charCodeAt(i) & 255);
  }
}
