/** The heads of answers whose handler touched none: frozen, so that equal answers share one and its encoded form. */
import type { Field, ResponseHead } from "../../http/exchange.ts";

/** Lengths below this have a head of their own. */
const LENGTHS = 256;

export class AnswerHeads {
  /** What a handler's header begins with: to be copied, which is faster than to be made of fields. */
  readonly header: Headers;
  /** The head of an answer of status 200 whose handler adds nothing. */
  readonly head: ResponseHead;
  readonly #ofLength: (ResponseHead | undefined)[] = [];

  constructor(fields: Record<string, string>) {
    this.header = new Headers(fields);
    this.head = freeze([...this.header]);
  }

  /** The same head with a content-length. */
  ofLength(length: number): ResponseHead {
    const known = this.#ofLength[length];
    if (known !== undefined) return known;
    const header = new Headers(this.header);
    header.set("content-length", String(length));
    const head = freeze([...header]);
    if (length < LENGTHS) this.#ofLength[length] = head;
    return head;
  }
}

function freeze(fields: Field[]): ResponseHead {
  return Object.freeze({ status: 200, fields: Object.freeze(fields) });
}
