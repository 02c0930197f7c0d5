/** Lets clients and proxies cache responses to GET: ETag, Vary and Cache-Control (RFC 9110, RFC 9111). */
import { matchesETag, strongETag } from "./etag.ts";
import {
  EMPTY_BYTES,
  type Field,
  fieldValue,
  type Handler,
  joined,
  type Piece,
  type ResponseHead,
} from "./exchange.ts";
import { ExchangeWrapper } from "./exchange-wrapper.ts";

/**
 * Wraps `next` so that its responses to GET can be cached. A 200 response that has Cache-Control gets a strong ETag and
 * Vary. If the client already has this body, the response becomes a 304. Every other response to GET gets
 * `Cache-Control: no-store`.
 */
export function withCaching(next: Handler): Handler {
  return (exchange) => next(exchange.request.method === "GET" ? new CachingExchange(exchange) : exchange);
}

/** Buffers the whole response, because its head must contain the ETag, which is a hash of its body. */
class CachingExchange extends ExchangeWrapper {
  #head: ResponseHead | undefined;
  readonly #pieces: Uint8Array[] = [];

  override start(head: ResponseHead): void {
    this.#head = head;
  }

  override write(piece: Piece): undefined {
    this.#pieces.push(joined(piece));
  }

  override end(): void {
    if (this.#head !== undefined) this.respond(this.#head, Buffer.concat(this.#pieces));
  }

  override respond(head: ResponseHead, piece: Piece): void {
    const body = joined(piece);
    if (head.status !== 200 || fieldValue(head.fields, "cache-control") === undefined) {
      const fields = head.fields.filter(([name]) => name !== "cache-control");
      this.inner.respond({ status: head.status, fields: [...fields, ["cache-control", "no-store"]] }, body);
      return;
    }
    const etag = etagOf(head, body);
    const fields: Field[] = [...head.fields, ["etag", etag], ["vary", "Accept-Encoding"]];
    if (matchesETag(fieldValue(this.request.fields, "if-none-match"), etag)) {
      // A 304 has no body, so it leaves out the fields that describe a body (RFC 9110, 15.4.5).
      this.inner.respond(
        { status: 304, fields: fields.filter(([name]) => !/^content-(type|length|encoding)$/.test(name)) },
        EMPTY_BYTES,
      );
    } else this.inner.respond({ status: 200, fields }, body);
  }
}

/** Returns the ETag of a response: a hash of its content type, its content coding and its body. */
function etagOf({ fields }: ResponseHead, body: Uint8Array): string {
  const coding = fieldValue(fields, "content-encoding") ?? "identity";
  const type = fieldValue(fields, "content-type") ?? "";
  return strongETag(Buffer.from(`${type}\n${coding}\n`), body);
}
