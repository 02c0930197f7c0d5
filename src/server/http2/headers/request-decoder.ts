/** Decodes the requests of one connection, with a small cache of request heads. */
import { HpackDecoder } from "../hpack/decoder.ts";
import type { HeaderField } from "../hpack/header-field.ts";
import { type Http2RequestHead, type InvalidRequest, parseRequestHead } from "./request-head.ts";

/** The number of cached heads, a power of two. */
const CACHE_SLOTS = 8;
/** The size of the largest block whose head is cached. */
const MAX_CACHED_BLOCK_BYTES = 256;

interface CachedHead {
  readonly block: Buffer;
  readonly tableVersion: number;
  readonly head: Http2RequestHead;
}

export class RequestDecoder {
  readonly #hpack = new HpackDecoder();
  readonly #maxListBytes: number;
  #cache: (CachedHead | undefined)[] | undefined;

  constructor(maxListBytes: number) {
    this.#maxListBytes = maxListBytes;
  }

  /**
   * Decodes the field block in bytes[start] to bytes[end - 1]. Returns the request head, or the reason not to serve the
   * request. Equal blocks may share one head. Throws ConnectionError if the block cannot be decoded.
   */
  decode(bytes: Buffer, start: number, end: number): Http2RequestHead | InvalidRequest {
    if (end - start > MAX_CACHED_BLOCK_BYTES) return this.#decode(bytes, start, end);
    const slot = hash(bytes, start, end) & (CACHE_SLOTS - 1);
    const tableVersion = this.#hpack.tableVersion;
    const cached = this.#cache?.[slot];
    if (cached !== undefined && cached.tableVersion === tableVersion && equal(cached.block, bytes, start, end)) {
      return cached.head;
    }
    const head = this.#decode(bytes, start, end);
    if (typeof head === "object" && this.#hpack.tableVersion === tableVersion) {
      this.#cache ??= new Array(CACHE_SLOTS).fill(undefined);
      this.#cache[slot] = { block: Buffer.from(bytes.subarray(start, end)), tableVersion, head };
    }
    return head;
  }

  /**
   * Decodes a field block, such as trailers. Returns undefined if its list is too large. Throws ConnectionError if the
   * block cannot be decoded.
   */
  decodeList(bytes: Buffer, start: number, end: number): readonly HeaderField[] | undefined {
    const list = this.#hpack.decode(bytes, start, end, this.#maxListBytes);
    return this.#hpack.isListTooLarge ? undefined : list;
  }

  #decode(bytes: Buffer, start: number, end: number): Http2RequestHead | InvalidRequest {
    const list = this.decodeList(bytes, start, end);
    // A request gets 431 if its header list exceeds SETTINGS_MAX_HEADER_LIST_SIZE (RFC 9113, 10.5.1).
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
