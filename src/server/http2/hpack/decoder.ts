/** HPACK decoder with a dynamic table (RFC 7541, 3 and 6). */
import { ConnectionError, ErrorCode } from "../frames/types.ts";
import { BytesCache } from "./bytes-cache.ts";
import { BlockText, FieldKind, FieldName, HeaderField, hasOuterSpace } from "./header-field.ts";
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
/**
 * The values of regular fields of the block that is being decoded, as far as they fit. A small table entry may keep alive
 * the values of its block, so their size limits the memory that the table uses.
 */
const BLOCK_VALUES = Buffer.allocUnsafe(256);
/** The size of the largest encoded string whose text surely fits in BLOCK_VALUES. */
const MAX_LATE_BYTES = Math.floor((BLOCK_VALUES.length * 5) / 8) - 1;

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
  /** The text of the values in BLOCK_VALUES; undefined without values. */
  #blockText: BlockText | undefined;
  /** The number of bytes in BLOCK_VALUES. */
  #blockValuesEnd = 0;
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
    this.#blockText = undefined;
    this.#blockValuesEnd = 0;
    while (this.#at < end) {
      const field = this.#representation(bytes, end, listSize === 0);
      if (field === undefined) continue;
      listSize += field.size;
      if (listSize > maxListSize) this.isListTooLarge = true;
      else list.push(field);
    }
    this.#completeValues();
    return list;
  }

  /** Gives the regular fields of the block their values. */
  #completeValues(): void {
    if (this.#blockText !== undefined) this.#blockText.text = BLOCK_VALUES.toString("latin1", 0, this.#blockValuesEnd);
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
    const isHuffman = this.#isHuffman(bytes, end);
    const length = this.#stringLength(bytes, end);
    const isLate = name.kind === FieldKind.Regular && length <= MAX_LATE_BYTES - this.#blockValuesEnd;
    return isLate
      ? this.#lateField(name, bytes, length, isHuffman)
      : HeaderField.of(name, this.#text(bytes, length, isHuffman), this.#hasControl);
  }

  /** Decodes a name, which may be known from an earlier block. */
  #name(bytes: Buffer, end: number): FieldName {
    const start = this.#at;
    this.#stringLength(bytes, end);
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
    if (index === 0) this.#stringLength(bytes, end);
    this.#stringLength(bytes, end);
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

  #isHuffman(bytes: Buffer, end: number): boolean {
    return this.#at < end && ((bytes[this.#at] as number) & 0x80) !== 0;
  }

  /** Decodes the length of a string, and moves behind the string. */
  #stringLength(bytes: Buffer, end: number): number {
    const length = this.#integer(bytes, end, 7);
    if (length > end - this.#at) throw malformed("field block ends inside a string");
    this.#at += length;
    return length;
  }

  /** Decodes a string (5.2). */
  #string(bytes: Buffer, end: number): string {
    const isHuffman = this.#isHuffman(bytes, end);
    return this.#text(bytes, this.#stringLength(bytes, end), isHuffman);
  }

  /** Returns the text of a string of `length` bytes that ends at the current position. */
  #text(bytes: Buffer, length: number, isHuffman: boolean): string {
    const maxBytes = maxTextBytes(length);
    const out = maxBytes > SHARED_TEXT.length ? Buffer.allocUnsafe(maxBytes) : SHARED_TEXT;
    return out.toString("latin1", 0, this.#decodeInto(out, 0, bytes, length, isHuffman));
  }

  /** Returns a regular field whose value has `length` bytes, and ends at the current position. */
  #lateField(name: FieldName, bytes: Buffer, length: number, isHuffman: boolean): HeaderField {
    const start = this.#blockValuesEnd;
    const end = this.#decodeInto(BLOCK_VALUES, start, bytes, length, isHuffman);
    const isEmpty = start === end;
    const isValid = isEmpty || !(this.#hasControl || hasOuterSpace(BLOCK_VALUES[start], BLOCK_VALUES[end - 1]));
    this.#blockText ??= new BlockText();
    this.#blockValuesEnd = end;
    return HeaderField.within(this.#blockText, start, end, name, isValid);
  }

  /** Decodes a string of `length` bytes that ends at the current position. Returns the end of its text in `out`. */
  #decodeInto(out: Buffer, outStart: number, bytes: Buffer, length: number, isHuffman: boolean): number {
    if (isHuffman) {
      const result = huffmanDecode(bytes, this.#at - length, this.#at, out, outStart);
      if (result < 0) throw malformed("invalid Huffman code");
      this.#hasControl = result >= HAS_CONTROL;
      return result & (HAS_CONTROL - 1);
    }
    this.#hasControl = false;
    let outEnd = outStart;
    for (let at = this.#at - length; at < this.#at; at++) {
      const byte = bytes[at] as number;
      if (isControl(byte)) this.#hasControl = true;
      out[outEnd++] = byte;
    }
    return outEnd;
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
