/** HPACK decoder with a dynamic table (RFC 7541, 3 and 6). */
import { ConnectionError, ErrorCode } from "../frames/types.ts";
import { BytesCache } from "./bytes-cache.ts";
import { FieldName, HeaderField } from "./header-field.ts";
import { HAS_CONTROL, huffmanDecode, isControl, maxTextBytes } from "./huffman.ts";
import { STATIC_TABLE } from "./static-table.ts";

/**
 * The largest dynamic table: the initial value of SETTINGS_HEADER_TABLE_SIZE (RFC 9113, 6.5.2). This side does not
 * announce another value.
 */
const MAX_TABLE_BYTES = 4096;
/**
 * The number of slots, a power of two. The smallest entry has 32 bytes (4.1), so at most MAX_TABLE_BYTES / 32 entries
 * fit.
 */
const SLOTS = 128;

/** The number of kept names and of kept literals, a power of two: enough for the fields that requests have in common. */
const KEPT_SLOTS = 32;
/** The sizes of the largest name and the largest literal that are kept. */
const MAX_NAME_BYTES = 64;
const MAX_LITERAL_BYTES = 128;

/** The text of a string that is being decoded. Longer strings get a buffer of their own. */
const SHARED_TEXT = Buffer.allocUnsafe(2048);

export class HpackDecoder {
  /** The dynamic table as a ring. Its newest entry is in slot `#inserted - 1`, modulo SLOTS. */
  readonly #entries: (HeaderField | undefined)[] = [];
  /** The sizes of the entries, so that evicting an old entry need not load the entry itself into the CPU's cache. */
  readonly #sizes: number[] = [];
  #inserted = 0;
  #count = 0;
  #size = 0;
  #maxSize = MAX_TABLE_BYTES;
  /** The fields of literals without indexing: clients that do not use the dynamic table repeat them in each block. */
  readonly #literals = new BytesCache<HeaderField>(KEPT_SLOTS, MAX_LITERAL_BYTES);
  readonly #names = new BytesCache<FieldName>(KEPT_SLOTS, MAX_NAME_BYTES);
  /** The position in the block that is being decoded. */
  #at = 0;
  /** True if the most recently decoded string has a control character other than tab. */
  #hasControl = false;
  /** Increases with each change of the dynamic table. While it stays the same, equal blocks decode to equal fields. */
  tableVersion = 0;
  /** True if the most recently decoded list exceeded its maximum size. The fields beyond that size are then missing. */
  isListTooLarge = false;

  /**
   * Decodes the block in bytes[start] to bytes[end - 1]. Returns its fields, up to a list size of `maxListSize` bytes
   * (RFC 9113, 6.5.2). Sets `isListTooLarge`. Throws ConnectionError if the block is malformed.
   */
  decode(bytes: Buffer, start: number, end: number, maxListSize: number): HeaderField[] {
    const list: HeaderField[] = [];
    let listSize = 0;
    this.#at = start;
    this.isListTooLarge = false;
    while (this.#at < end) {
      const field = this.#representation(bytes, end, listSize === 0);
      if (field === undefined) continue;
      listSize += field.size;
      if (listSize > maxListSize) this.isListTooLarge = true;
      else list.push(field);
    }
    return list;
  }

  /** Decodes one representation (6). Returns its field, or undefined for a dynamic table size update. */
  #representation(bytes: Buffer, end: number, isFirst: boolean): HeaderField | undefined {
    const type = bytes[this.#at] as number;
    // 6.1: indexed.
    if (type & 0x80) return this.#entry(this.#integer(bytes, end, 7));
    // 6.2.1: literal with incremental indexing.
    if (type & 0x40) {
      const field = this.#literal(bytes, end, 6);
      this.#insert(field);
      return field;
    }
    // 6.2.2: literal without indexing.
    if (!(type & 0x30)) return this.#repeatedLiteral(bytes, end);
    // 6.2.3: literal never indexed. Its value is a secret, so it is not kept (7.1.3).
    if (!(type & 0x20)) return this.#literal(bytes, end, 4);
    // 6.3: dynamic table size update, only valid at the beginning of a block (4.2).
    if (!isFirst) throw malformed("dynamic table size update after a field");
    this.#resize(this.#integer(bytes, end, 5));
    return undefined;
  }

  /** Decodes a literal field whose name index has a prefix of `prefix` bits (6.2). */
  #literal(bytes: Buffer, end: number, prefix: number): HeaderField {
    const index = this.#integer(bytes, end, prefix);
    const name = index === 0 ? this.#name(bytes, end) : this.#entry(index).name;
    const value = this.#string(bytes, end);
    return new HeaderField(name, value, this.#hasControl);
  }

  /** Decodes a name, which may be known from an earlier block. */
  #name(bytes: Buffer, end: number): FieldName {
    const start = this.#at;
    this.#skipString(bytes, end);
    const stop = this.#at;
    const known = this.#names.find(bytes, start, stop);
    if (known !== undefined) return known;
    this.#at = start;
    const name = new FieldName(this.#string(bytes, end));
    this.#names.offer(bytes, start, stop, name);
    return name;
  }

  /** Decodes a literal field without indexing, which may be known from an earlier block. */
  #repeatedLiteral(bytes: Buffer, end: number): HeaderField {
    const start = this.#at;
    const index = this.#integer(bytes, end, 4);
    if (index === 0) this.#skipString(bytes, end);
    this.#skipString(bytes, end);
    const stop = this.#at;
    // A name in the dynamic table does not depend on the bytes alone.
    const isStatic = index <= STATIC_TABLE.length;
    const known = isStatic ? this.#literals.find(bytes, start, stop) : undefined;
    if (known !== undefined) return known;
    this.#at = start;
    const field = this.#literal(bytes, end, 4);
    if (isStatic) this.#literals.offer(bytes, start, stop, field);
    return field;
  }

  /** Skips a string. Throws ConnectionError if the block ends inside it. */
  #skipString(bytes: Buffer, end: number): void {
    const length = this.#integer(bytes, end, 7);
    if (length > end - this.#at) throw malformed("field block ends inside a string");
    this.#at += length;
  }

  /** Decodes an integer (5.1) that begins with a prefix of `prefix` bits. At most 28 bits may follow the prefix. */
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

  /** Decodes a string (5.2). */
  #string(bytes: Buffer, end: number): string {
    const isHuffman = this.#at < end && ((bytes[this.#at] as number) & 0x80) !== 0;
    const length = this.#integer(bytes, end, 7);
    const start = this.#at;
    if (length > end - start) throw malformed("field block ends inside a string");
    this.#at += length;
    if (!isHuffman) {
      this.#hasControl = false;
      for (let at = start; at < this.#at; at++) if (isControl(bytes[at] as number)) this.#hasControl = true;
      return bytes.toString("latin1", start, this.#at);
    }
    const maxBytes = maxTextBytes(length);
    const text = maxBytes > SHARED_TEXT.length ? Buffer.allocUnsafe(maxBytes) : SHARED_TEXT;
    const size = huffmanDecode(bytes, start, this.#at, text);
    if (size < 0) throw malformed("invalid Huffman code");
    this.#hasControl = size >= HAS_CONTROL;
    return text.toString("latin1", 0, size & (HAS_CONTROL - 1));
  }

  /** Returns the entry at an index into the static table followed by the dynamic table (2.3.3). */
  #entry(index: number): HeaderField {
    const dynamicIndex = index - STATIC_TABLE.length;
    const entry =
      dynamicIndex <= 0 ? STATIC_TABLE[index - 1] : this.#entries[(this.#inserted - dynamicIndex) & (SLOTS - 1)];
    if (entry === undefined || dynamicIndex > this.#count)
      throw malformed(`index ${index} is past the end of the table`);
    return entry;
  }

  /**
   * Evicts the oldest entries until there is room, and then inserts an entry. An entry larger than the table only
   * empties the table (4.4).
   */
  #insert(field: HeaderField): void {
    this.tableVersion++;
    const size = field.size;
    this.#evict(this.#maxSize - size);
    if (size > this.#maxSize) return;
    const slot = this.#inserted++ & (SLOTS - 1);
    this.#entries[slot] = field;
    this.#sizes[slot] = size;
    this.#count++;
    this.#size += size;
  }

  /** Evicts the oldest entries until the table has at most `size` bytes (4.3). */
  #evict(size: number): void {
    while (this.#size > size && this.#count > 0) {
      const slot = (this.#inserted - this.#count--) & (SLOTS - 1);
      this.#size -= this.#sizes[slot] as number;
      this.#entries[slot] = undefined;
    }
  }

  /** Changes the maximum size of the table. Throws ConnectionError if `size` exceeds MAX_TABLE_BYTES (6.3). */
  #resize(size: number): void {
    if (size > MAX_TABLE_BYTES) {
      throw malformed(`dynamic table size of ${size} bytes exceeds ${MAX_TABLE_BYTES} bytes`);
    }
    this.tableVersion++;
    this.#maxSize = size;
    this.#evict(size);
  }
}

/** Returns an error that ends the connection, because the tables of the two ends may now differ (RFC 9113, 4.3). */
function malformed(reason: string): ConnectionError {
  return new ConnectionError(ErrorCode.Compression, `decode field block: ${reason}`);
}
