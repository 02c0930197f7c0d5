/** The wire form of answers' heads and trailers, kept by identity (RFC 9113, 8.3.2). */
import type { Field, ResponseHead } from "../../http/exchange.ts";
import { encodeBlock } from "../hpack/encoder.ts";
import { isSendable } from "../hpack/header-field.ts";

/** An answer's head as a field block, and what the connection asks of it. */
export interface ResponseBlock {
  readonly block: Uint8Array;
  /** It brings no Date of its own, so that one is added (RFC 9110, 6.6.1). */
  readonly needsDate: boolean;
  /** Its status has no content: 204 and 304 (RFC 9110, 6.4.1). */
  readonly noContent: boolean;
}

/** Encodes heads and trailers. Those that are frozen, with their fields, are encoded once. */
export class ResponseEncoder {
  readonly #heads = new WeakMap<ResponseHead, ResponseBlock>();
  readonly #trailers = new WeakMap<readonly Field[], Uint8Array>();
  #lastHead: ResponseHead | undefined;
  #lastHeadBlock: ResponseBlock | undefined;
  #lastTrailers: readonly Field[] | undefined;
  #lastTrailersBlock: Uint8Array | undefined;

  encodeHead(head: ResponseHead): ResponseBlock {
    if (head === this.#lastHead) return this.#lastHeadBlock as ResponseBlock;
    const known = this.#heads.get(head);
    const block = known ?? encodeHead(head);
    if (known === undefined) {
      if (!Object.isFrozen(head) || !Object.isFrozen(head.fields)) return block;
      this.#heads.set(head, block);
    }
    this.#lastHead = head;
    this.#lastHeadBlock = block;
    return block;
  }

  encodeTrailers(fields: readonly Field[]): Uint8Array {
    if (fields === this.#lastTrailers) return this.#lastTrailersBlock as Uint8Array;
    const known = this.#trailers.get(fields);
    const block = known ?? encodeBlock(sendable(fields));
    if (known === undefined) {
      if (!Object.isFrozen(fields)) return block;
      this.#trailers.set(fields, block);
    }
    this.#lastTrailers = fields;
    this.#lastTrailersBlock = block;
    return block;
  }
}

function encodeHead({ status, fields }: ResponseHead): ResponseBlock {
  if (!Number.isInteger(status) || status < 200 || status > 999) {
    throw new RangeError(`send head: status ${status} is no final status, 200 to 999`);
  }
  return {
    block: encodeBlock([[":status", String(status)], ...sendable(fields)]),
    needsDate: !fields.some(([name]) => name === "date"),
    noContent: status === 204 || status === 304,
  };
}

/** The fields, where all of them may be sent. */
function sendable(fields: readonly Field[]): readonly Field[] {
  for (const [name, value] of fields) {
    if (!isSendable(name, value)) {
      throw new TypeError(`send fields: ${JSON.stringify(name)}: ${JSON.stringify(value)} is no field of HTTP/2`);
    }
  }
  return fields;
}
