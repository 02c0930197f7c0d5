/** Decodes the field blocks of one connection's requests; equal blocks, while the table stays, share one head. */

import { HpackDecoder } from "../hpack/decoder.ts";
import type { HeaderField } from "../hpack/header-field.ts";
import { type Http2RequestHead, parseRequestHead } from "./request-head.ts";

/** Heads kept, a power of two, and the longest block that is. */
const KEPT = 8;
const KEPT_BYTES = 256;

interface Kept {
  readonly block: Buffer;
  readonly changes: number;
  readonly head: Http2RequestHead;
}

export class RequestDecoder {
  readonly #hpack = new HpackDecoder();
  readonly #listBytes: number;
  #kept: (Kept | undefined)[] | undefined;

  constructor(listBytes: number) {
    this.#listBytes = listBytes;
  }

  /** The head of a block; or MALFORMED; or the status to refuse it with. */
  decode(bytes: Buffer, start: number, end: number): Http2RequestHead | number {
    if (end - start > KEPT_BYTES) return this.#decode(bytes, start, end);
    const slot = hash(bytes, start, end) & (KEPT - 1);
    const changes = this.#hpack.tableVersion;
    const kept = this.#kept?.[slot];
    if (kept !== undefined && kept.changes === changes && equal(kept.block, bytes, start, end)) return kept.head;
    const head = this.#decode(bytes, start, end);
    if (typeof head !== "number" && this.#hpack.tableVersion === changes) {
      this.#kept ??= new Array(KEPT).fill(undefined);
      this.#kept[slot] = { block: Buffer.from(bytes.subarray(start, end)), changes, head };
    }
    return head;
  }

  /** The list of a block that is no request's; undefined where it is too large. */
  decodeList(bytes: Buffer, start: number, end: number): readonly HeaderField[] | undefined {
    const list = this.#hpack.decode(bytes, start, end, this.#listBytes);
    return this.#hpack.listTooLarge ? undefined : list;
  }

  #decode(bytes: Buffer, start: number, end: number): Http2RequestHead | number {
    const list = this.decodeList(bytes, start, end);
    // A list over SETTINGS_MAX_HEADER_LIST_SIZE may be answered so (RFC 9113, 10.5.1).
    return list === undefined ? 431 : parseRequestHead(list);
  }
}

function hash(bytes: Buffer, start: number, end: number): number {
  let hash = end - start;
  for (let at = start; at < end; at++) hash = (hash * 31 + (bytes[at] as number)) | 0;
  return hash;
}

function equal(block: Buffer, bytes: Buffer, start: number, end: number): boolean {
  const length = block.length;
  if (length !== end - start) return false;
  for (let at = 0; at < length; at++) if (block[at] !== bytes[start + at]) return false;
  return true;
}
