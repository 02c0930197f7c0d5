/** What HTTP caches need of an answer to GET: a validator, and what it varies by (RFC 9110, RFC 9111). */
import { hash } from "node:crypto";
import { EMPTY_BYTES, type Field, fieldValue, type Handler, type ResponseHead } from "./exchange.ts";
import { ExchangeWrapper } from "./exchange-wrapper.ts";

/**
 * An answer of 200 that its service lets be stored, by a Cache-Control of its own, gets a strong ETag and Vary, and
 * becomes 304 where the client has it. No other answer to GET may be stored.
 */
export function withCaching(next: Handler): Handler {
  return (exchange) => next(exchange.request.method === "GET" ? new CacheableExchange(exchange) : exchange);
}

class CacheableExchange extends ExchangeWrapper {
  #head: ResponseHead | undefined;
  readonly #pieces: Uint8Array[] = [];

  override start(head: ResponseHead): void {
    this.#head = head;
  }

  override write(piece: Uint8Array): undefined {
    this.#pieces.push(piece);
  }

  override end(): void {
    if (this.#head !== undefined) this.respond(this.#head, Buffer.concat(this.#pieces));
  }

  override respond(head: ResponseHead, body: Uint8Array): void {
    if (head.status !== 200 || fieldValue(head.fields, "cache-control") === undefined) {
      const fields = head.fields.filter(([name]) => name !== "cache-control");
      this.inner.respond({ status: head.status, fields: [...fields, ["cache-control", "no-store"]] }, body);
      return;
    }
    const etag = strongETag(head, body);
    const fields: Field[] = [...head.fields, ["etag", etag], ["vary", "Accept-Encoding"]];
    if (matchesETag(fieldValue(this.request.fields, "if-none-match"), etag)) {
      // 304 describes the stored answer: what tells of the body's form stays away (RFC 9110, 15.4.5).
      this.inner.respond(
        { status: 304, fields: fields.filter(([name]) => !/^content-(type|length|encoding)$/.test(name)) },
        EMPTY_BYTES,
      );
    } else this.inner.respond({ status: 200, fields }, body);
  }
}

/** One per body and coding of it: equal tags mean equal bytes (RFC 9110, 8.8.1). */
function strongETag({ fields }: ResponseHead, body: Uint8Array): string {
  const coding = fieldValue(fields, "content-encoding") ?? "identity";
  const type = fieldValue(fields, "content-type") ?? "";
  return `"${hash("sha256", Buffer.concat([Buffer.from(`${type}\n${coding}\n`), body]), "base64url").slice(0, 22)}"`;
}

/** Whether an If-None-Match names the tag, by weak comparison (RFC 9110, 13.1.2). */
export function matchesETag(condition: string | undefined, etag: string): boolean {
  if (condition === undefined) return false;
  const tags: string[] = condition.match(/"[^"]*"/g) ?? [];
  return condition.trim() === "*" || tags.includes(etag);
}
