/**
 * HPACK encoder without a dynamic table (RFC 7541, 6.1 and 6.2.2). A block therefore depends only on its fields, and
 * can be sent on every connection.
 */
import type { Field } from "../../http/exchange.ts";
import { huffmanEncode, huffmanLength } from "./huffman.ts";
import { STATIC_TABLE } from "./static-table.ts";

/** A dynamic table size update to 0 (6.3), required if the peer lowers the maximum table size (4.2). */
export const EMPTY_TABLE_UPDATE: Uint8Array = Uint8Array.of(0x20);

/** The lowest index of each name in the static table. */
const NAMES: ReadonlyMap<string, number> = new Map(
  STATIC_TABLE.map(({ field }, i) => [field[0], i + 1] as const).reverse(),
);
/** The index of each field of the static table that has a value, by its text "name: value". */
const FIELDS: ReadonlyMap<string, number> = new Map(
  STATIC_TABLE.map(({ field }, i) => [field.join(": "), i + 1] as const).filter(([field]) => !field.endsWith(": ")),
);

/** Returns `fields` as a field block in a new buffer. */
export function encodeBlock(fields: readonly Field[]): Buffer {
  const out: number[] = [];
  for (const field of fields) encodeField(field, out);
  return Buffer.from(out);
}

function encodeField([name, value]: Field, out: number[]): void {
  const fieldIndex = FIELDS.get(`${name}: ${value}`);
  if (fieldIndex !== undefined) {
    encodeInteger(0x80, 7, fieldIndex, out);
    return;
  }
  const nameIndex = NAMES.get(name) ?? 0;
  encodeInteger(0, 4, nameIndex, out);
  if (nameIndex === 0) encodeString(name, out);
  encodeString(value, out);
}

/** Appends an integer (5.1) with a prefix of `prefix` bits. `pattern` has the other bits of the first byte. */
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

/** Appends a string (5.2) in latin1, with Huffman coding if that is shorter. */
function encodeString(text: string, out: number[]): void {
  const huffmanBytes = huffmanLength(text);
  if (huffmanBytes < text.length) {
    encodeInteger(0x80, 7, huffmanBytes, out);
    huffmanEncode(text, out);
  } else {
    encodeInteger(0, 7, text.length, out);
    for (let i = 0; i < text.length; i++) out.push(text.charCodeAt(i) & 255);
  }
}
