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
  /** The length of the most recent longer body. */
  #recentLength = -1;
  /** The head for `#recentLength`, which is kept from the second body on. */
  #recent: ResponseHead | undefined;

  constructor(fields: Readonly<Record<string, string>>) {
    this.#fields = fields;
    this.#head = frozen(sorted(fields));
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
    const shared = length === this.#recentLength ? this.#recent : this.#withLength[length];
    if (shared !== undefined) return shared;
    const fields = sorted({ ...this.#fields, "content-length": String(length) });
    // To keep the encoded form of a head that is used once would cost more than to encode it.
    if (length >= SHARED_LENGTHS_BYTES && length !== this.#recentLength) {
      this.#recentLength = length;
      this.#recent = undefined;
      return { status: 200, fields };
    }
    const head = frozen(fields);
    if (length < SHARED_LENGTHS_BYTES) this.#withLength[length] = head;
    else this.#recent = head;
    return head;
  }
}

/** Returns fields as Headers yields them: in lower case, sorted by name. */
function sorted(fields: Readonly<Record<string, string>>): Field[] {
  return Object.entries(fields)
    .map(([name, value]): Field => [name.toLowerCase(), value])
    .sort(([one], [other]) => (one < other ? -1 : 1));
}

function frozen(fields: Field[]): ResponseHead {
  return Object.freeze({ status: 200, fields: Object.freeze(fields) });
}
