/** Decodes field blocks with a dynamic table (RFC 7541, 3 and 6). */
import { ConnectionError, ErrorCode } from "../frames/types.ts";
import { HeaderField } from "./header-field.ts";
import { huffmanDecode } from "./huffman.ts";
import { STATIC_TABLE } from "./static-table.ts";

/**
 * The dynamic table's largest size: the protocol's first value of SETTINGS_HEADER_TABLE_SIZE, kept (RFC 9113, 6.5.2).
 */
const TABLE_SIZE = 4096;
/** Slots for its entries: a power of two not under TABLE_SIZE / 32, where 32 is the least an entry counts (4.1). */
const SLOTS = 128;

export class HpackDecoder {
  /** A ring: the newest entry is before the slot of #inserted. */
  readonly #entries: (HeaderField | undefined)[] = [];
  #inserted = 0;
  #count = 0;
  #size = 0;
  #maxSize = TABLE_SIZE;
  #at = 0;
  /** Grows with each change of the table: while it stays, the same block means the same fields. */
  tableVersion = 0;
  /** Whether the last list was larger than was asked for, so that its fields from there on are missing. */
  listTooLarge = false;

  /** The fields of the block in bytes[start] to bytes[end - 1], up to a list of maxListSize bytes (RFC 9113, 6.5.2). */
  decode(bytes: Buffer, start: number, end: number, maxListSize: number): HeaderField[] {
    const list: HeaderField[] = [];
    let listSize = 0;
    this.#at = start;
    this.listTooLarge = false;
    while (this.#at < end) {
      const field = this.#representation(bytes, end, listSize === 0);
      if (field === undefined) continue;
      listSize += field.size;
      if (listSize > maxListSize) this.listTooLarge = true;
      else list.push(field);
    }
    return list;
  }

  /** One representation (6): a field, or undefined for a change of the table's size. */
  #representation(bytes: Buffer, end: number, first: boolean): HeaderField | undefined {
    const type = bytes[this.#at] as number;
    // 6.1: indexed.
    if (type & 0x80) return this.#entry(this.#integer(bytes, end, 7));
    // 6.2.1: literal with incremental indexing.
    if (type & 0x40) {
      const field = this.#literal(bytes, end, 6);
      this.#insert(field);
      return field;
    }
    // 6.2.2, 6.2.3: literal without indexing, or never indexed.
    if (!(type & 0x20)) return this.#literal(bytes, end, 4);
    // 6.3: a size update, which stands only at a block's beginning (4.2).
    if (!first) throw malformed("dynamic table size update after a field");
    this.#resize(this.#integer(bytes, end, 5));
    return undefined;
  }

  #literal(bytes: Buffer, end: number, prefix: number): HeaderField {
    const index = this.#integer(bytes, end, prefix);
    const name = index === 0 ? this.#string(bytes, end) : this.#entry(index).field[0];
    return new HeaderField(name, this.#string(bytes, end));
  }

  /** An integer (5.1) of at most 28 bits more than its prefix. */
  #integer(bytes: Buffer, end: number, prefix: number): number {
    if (this.#at >= end) throw malformed("field block ends inside a representation");
    const max = (1 << prefix) - 1;
    let value = (bytes[this.#at++] as number) & max;
    if (value < max) return value;
    for (let shift = 0; shift < 28; shift += 7) {
      if (this.#at >= end) throw malformed("field block ends inside an integer");
      const byte = bytes[this.#at++] as number;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw malformed("integer exceeds 28 bits");
  }

  /** A string (5.2). */
  #string(bytes: Buffer, end: number): string {
    const coded = this.#at < end && ((bytes[this.#at] as number) & 0x80) !== 0;
    const length = this.#integer(bytes, end, 7);
    const start = this.#at;
    if (length > end - start) throw malformed("field block ends inside a string");
    this.#at += length;
    if (!coded) return bytes.toString("latin1", start, this.#at);
    const text = huffmanDecode(bytes, start, this.#at);
    if (text === undefined) throw malformed("string is no Huffman code");
    return text;
  }

  /** The entry at an index of the static table and, after it, the dynamic table (2.3.3). */
  #entry(index: number): HeaderField {
    const back = index - STATIC_TABLE.length;
    const entry = back <= 0 ? STATIC_TABLE[index - 1] : this.#entries[(this.#inserted - back) & (SLOTS - 1)];
    if (entry === undefined || back > this.#count) throw malformed(`index ${index} is past the table's end`);
    return entry;
  }

  /** 4.4: an entry larger than the table empties it, which is no error. */
  #insert(field: HeaderField): void {
    this.tableVersion++;
    const size = field.size;
    this.#evict(this.#maxSize - size);
    if (size > this.#maxSize) return;
    this.#entries[this.#inserted++ & (SLOTS - 1)] = field;
    this.#count++;
    this.#size += size;
  }

  /** 4.3: entries leave, the oldest first, until the table is not larger than size. */
  #evict(size: number): void {
    while (this.#size > size && this.#count > 0) {
      const slot = (this.#inserted - this.#count--) & (SLOTS - 1);
      this.#size -= (this.#entries[slot] as HeaderField).size;
      this.#entries[slot] = undefined;
    }
  }

  #resize(size: number): void {
    if (size > TABLE_SIZE) throw malformed(`dynamic table size of ${size} bytes exceeds ${TABLE_SIZE} bytes`);
    this.tableVersion++;
    this.#maxSize = size;
    this.#evict(size);
  }
}

/** A block that cannot be decoded leaves the two tables different, so it ends the connection (RFC 9113, 4.3). */
function malformed(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.Compression, `decode field block: ${what}`);
}
