/** Decodes the requests of one connection, with a small cache of request heads. */
import { BytesCache } from "../hpack/bytes-cache.ts";
import { HpackDecoder } from "../hpack/decoder.ts";
import type { HeaderField } from "../hpack/header-field.ts";
import { type Http2RequestHead, type InvalidRequest, parseRequestHead } from "./request-head.ts";

/** The number of cached heads, a power of two. */
const CACHE_SLOTS = 8;
/** The size of the largest block whose head is cached. */
const MAX_CACHED_BLOCK_BYTES = 256;

interface CachedHead {
  readonly tableVersion: number;
  readonly head: Http2RequestHead;
}

export class RequestDecoder {
  readonly #hpack = new HpackDecoder();
  readonly #maxListBytes: number;
  /** The heads by their blocks. */
  readonly #heads = new BytesCache<CachedHead>(CACHE_SLOTS, MAX_CACHED_BLOCK_BYTES);
  /** True if the most recent block has changed the dynamic table. The next one then probably changes it too. */
  #changesTable = false;

  constructor(maxListBytes: number) {
    this.#maxListBytes = maxListBytes;
  }

  /**
   * Decodes the field block in bytes[start] to bytes[end - 1]. Returns the request head, or the reason not to serve the
   * request. Equal blocks may share one head. Throws ConnectionError if the block cannot be decoded.
   */
  decode(bytes: Buffer, start: number, end: number): Http2RequestHead | InvalidRequest {
    const { tableVersion } = this.#hpack;
    const mayBeKnown = !this.#changesTable;
    if (mayBeKnown) {
      const cached = this.#heads.find(bytes, start, end);
      if (cached?.tableVersion === tableVersion) return cached.head;
    }
    const head = this.#decode(bytes, start, end);
    this.#changesTable = this.#hpack.tableVersion !== tableVersion;
    if (mayBeKnown && !this.#changesTable && typeof head === "object") {
      head.isShared = this.#heads.offer(bytes, start, end, { tableVersion, head });
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
