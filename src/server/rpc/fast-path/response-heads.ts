/** Response heads that calls share. They are frozen, so that HTTP/2 can keep their encoded form. */
import type { Field, ResponseHead } from "../../http/exchange.ts";

/** Responses with a body smaller than this share one head per content-length. */
const SHARED_LENGTHS_BYTES = 256;

/** The response heads of one content type and compression. */
export class ResponseHeads {
  readonly #fields: Readonly<Record<string, string>>;
  #header: Headers | undefined;
  /** The head of a response with status 200 and the initial headers. */
  readonly #head: ResponseHead;
  readonly #withLength: (ResponseHead | undefined)[] = [];

  constructor(fields: Readonly<Record<string, string>>) {
    this.#fields = fields;
    this.#head = freeze(fields);
  }

  /** The initial headers of a response. Copying them for a handler is faster than creating them from fields. */
  get header(): Headers {
    this.#header ??= new Headers(this.#fields);
    return this.#header;
  }

  /**
   * Returns the head of a response with status 200. Its headers are those of `touchedHeader`, or the initial headers if
   * `touchedHeader` is undefined.
   */
  of(touchedHeader: Headers | undefined): ResponseHead {
    return touchedHeader === undefined ? this.#head : { status: 200, fields: [...touchedHeader] };
  }

  /** Returns the head of a response with status 200, the initial headers and a content-length of `length`. */
  withLength(length: number): ResponseHead {
    const shared = this.#withLength[length];
    if (shared !== undefined) return shared;
    const head = freeze({ ...this.#fields, "content-length": String(length) });
    if (length < SHARED_LENGTHS_BYTES) this.#withLength[length] = head;
    return head;
  }
}

/** Returns the head of a response with `fields` as Headers yields them: in lower case, sorted by name. */
function freeze(fields: Readonly<Record<string, string>>): ResponseHead {
  const sorted = Object.entries(fields)
    .map(([name, value]): Field => [name.toLowerCase(), value])
    .sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.freeze({ status: 200, fields: Object.freeze(sorted) });
}
