/** What pages on other origins need to call and to read errors: CORS (Fetch, "HTTP-CORS protocol"). */
import { cors } from "@connectrpc/connect";
import { EMPTY_BYTES, type Exchange, type Field, fieldValue, type Handler, type ResponseHead } from "./exchange.ts";
import { ExchangeWrapper } from "./exchange-wrapper.ts";

const MAX_AGE_SECONDS = "7200"; // two hours

/**
 * Allows the given origins ("*" is every origin; none is none) to send any header and to read every header of an
 * answer, without credentials.
 */
export function withCors(origins: readonly string[], next: Handler): Handler {
  if (origins.length === 0) return next;
  const every = origins.includes("*");

  return (exchange) => {
    const { method, fields } = exchange.request;
    const origin = fieldValue(fields, "origin");
    const allowed = every ? "*" : origin !== undefined && origins.includes(origin) ? origin : undefined;
    const isPreflight = method === "OPTIONS" && fieldValue(fields, "access-control-request-method") !== undefined;
    if (isPreflight && origin !== undefined) return respondPreflight(exchange, allowed);
    next(new CrossOriginExchange(exchange, allowed));
  };
}

function respondPreflight(exchange: Exchange, allowed: string | undefined): void {
  const fields: Field[] = [["vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"]];
  if (allowed !== undefined) {
    const headers = fieldValue(exchange.request.fields, "access-control-request-headers");
    fields.push(["access-control-allow-origin", allowed]);
    fields.push(["access-control-allow-methods", cors.allowedMethods.join(", ")]);
    if (headers !== undefined) fields.push(["access-control-allow-headers", headers]);
    fields.push(["access-control-max-age", MAX_AGE_SECONDS]);
  }
  exchange.respond({ status: 204, fields }, EMPTY_BYTES);
}

class CrossOriginExchange extends ExchangeWrapper {
  readonly #allowed: string | undefined;

  constructor(inner: Exchange, allowed: string | undefined) {
    super(inner);
    this.#allowed = allowed;
  }

  override start(head: ResponseHead): void {
    super.start(this.#open(head));
  }

  override respond(head: ResponseHead, body: Uint8Array, trailers?: readonly Field[]): void {
    super.respond(this.#open(head), body, trailers);
  }

  #open({ status, fields }: ResponseHead): ResponseHead {
    const opened = [...fields];
    // Also on answers to others: a cache must not give them to a page of an allowed origin.
    if (this.#allowed !== "*") opened.push(["vary", "Origin"]);
    if (this.#allowed !== undefined) {
      const names = new Set([...cors.exposedHeaders, ...fields.map(([name]) => name)]);
      opened.push(["access-control-allow-origin", this.#allowed]);
      opened.push(["access-control-expose-headers", [...names].join(", ")]);
    }
    return { status, fields: opened };
  }
}
