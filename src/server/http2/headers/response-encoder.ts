/** Encodes response heads and trailers as field blocks, with a cache (RFC 9113, 8.3.2). */
import type { Field, ResponseHead } from "../../http/exchange.ts";
import { encodeBlock } from "../hpack/encoder.ts";
import { isSendable } from "../hpack/header-field.ts";

/** A response head as a field block, with the properties that the connection needs. */
export interface ResponseBlock {
  readonly block: Uint8Array;
  /** True if the connection must add a Date field (RFC 9110, 6.6.1). */
  readonly needsDate: boolean;
  /** True if the status does not allow content: 204 and 304 (RFC 9110, 6.4.1). */
  readonly noContent: boolean;
}

/**
 * Encodes each frozen head and each frozen array of trailers once, and finds its block by the identity of the object.
 * The most recent head and trailers are found without a WeakMap look-up.
 */
export class ResponseEncoder {
  readonly #heads = new WeakMap<ResponseHead, ResponseBlock>();
  readonly #trailers = new WeakMap<readonly Field[], Uint8Array>();
  #lastHead: ResponseHead | undefined;
  #lastHeadBlock: ResponseBlock | undefined;
  #lastTrailers: readonly Field[] | undefined;
  #lastTrailersBlock: Uint8Array | undefined;

  /**
   * Returns the block of a response head. Throws RangeError for an invalid status, and TypeError for an invalid field.
   */
  encodeHead(head: ResponseHead): ResponseBlock {
    if (head === this.#lastHead) return this.#lastHeadBlock as ResponseBlock;
    const known = this.#heads.get(head);
    const block = known ?? makeBlock(head);
    if (known === undefined) {
      if (!Object.isFrozen(head) || !Object.isFrozen(head.fields)) return block;
      this.#heads.set(head, block);
    }
    this.#lastHead = head;
    this.#lastHeadBlock = block;
    return block;
  }

  /** Returns the block of trailers. Throws TypeError for an invalid field. */
  encodeTrailers(fields: readonly Field[]): Uint8Array {
    if (fields === this.#lastTrailers) return this.#lastTrailersBlock as Uint8Array;
    const known = this.#trailers.get(fields);
    const block = known ?? encodeBlock(validFields(fields));
    if (known === undefined) {
      if (!Object.isFrozen(fields)) return block;
      this.#trailers.set(fields, block);
    }
    this.#lastTrailers = fields;
    this.#lastTrailersBlock = block;
    return block;
  }
}

function makeBlock({ status, fields }: ResponseHead): ResponseBlock {
  if (!Number.isInteger(status) || status < 200 || status > 999) {
    throw new RangeError(`send head: status ${status} is not a final status from 200 to 999`);
  }
  return {
    block: encodeBlock([[":status", String(status)], ...validFields(fields)]),
    needsDate: !fields.some(([name]) => name === "date"),
    noContent: status === 204 || status === 304,
  };
}

/** Returns `fields` unchanged. Throws TypeError if a field is invalid. */
function validFields(fields: readonly Field[]): readonly Field[] {
  for (const [name, value] of fields) {
    if (!isSendable(name, value)) {
      throw new TypeError(
        `send fields: ${JSON.stringify(name)}: ${JSON.stringify(value)} is not a valid field of HTTP/2`,
      );
    }
  }
  return fields;
}
