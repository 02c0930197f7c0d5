/** CORS: lets pages on other origins make calls and read their errors (Fetch standard, "HTTP-CORS protocol"). */
import { cors } from "@connectrpc/connect";
import {
  EMPTY_BYTES,
  type Exchange,
  type Field,
  type Handler,
  type Piece,
  type ResponseHead,
  requestField,
} from "./exchange.ts";
import { ExchangeWrapper } from "./exchange-wrapper.ts";

/** Time for which browsers may cache a preflight response; Chromium allows no more. */
const MAX_AGE_SECONDS = "7200";

/**
 * True if `text` is "*" or an origin as browsers send it: http or https, in lower case, without a path or a default port.
 */
export function isCorsOrigin(text: unknown): boolean {
  if (text === "*") return true;
  const url = typeof text === "string" ? URL.parse(text) : null;
  return url !== null && /^https?:$/.test(url.protocol) && url.origin === text;
}

/**
 * Wraps `next` so that pages on `origins` may send any header and read every header of a response, without
 * credentials. "*" allows every origin. Returns `next` itself if `origins` is empty.
 */
export function withCors(origins: readonly string[], next: Handler): Handler {
  if (origins.length === 0) return next;
  const every = origins.includes("*");

  return (exchange) => {
    const { request } = exchange;
    const origin = requestField(request, "origin");
    const allowed = every ? "*" : origin !== undefined && origins.includes(origin) ? origin : undefined;
    const isPreflight =
      request.method === "OPTIONS" && requestField(request, "access-control-request-method") !== undefined;
    if (isPreflight && origin !== undefined) return respondPreflight(exchange, allowed);
    next(new CrossOriginExchange(exchange, allowed));
  };
}

function respondPreflight(exchange: Exchange, allowed: string | undefined): void {
  const fields: Field[] = [["vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"]];
  if (allowed !== undefined) {
    const headers = requestField(exchange.request, "access-control-request-headers");
    fields.push(["access-control-allow-origin", allowed]);
    fields.push(["access-control-allow-methods", cors.allowedMethods.join(", ")]);
    if (headers !== undefined) fields.push(["access-control-allow-headers", headers]);
    fields.push(["access-control-max-age", MAX_AGE_SECONDS]);
  }
  exchange.respond({ status: 204, fields }, EMPTY_BYTES);
}

/** Adds the CORS fields to a response. */
class CrossOriginExchange extends ExchangeWrapper {
  readonly #allowed: string | undefined;

  constructor(inner: Exchange, allowed: string | undefined) {
    super(inner);
    this.#allowed = allowed;
  }

  override start(head: ResponseHead): void {
    super.start(this.#withCorsFields(head));
  }

  override respond(head: ResponseHead, body: Piece, trailers?: readonly Field[]): void {
    super.respond(this.#withCorsFields(head), body, trailers);
  }

  #withCorsFields({ status, fields }: ResponseHead): ResponseHead {
    const all = [...fields];
    // Without Vary, a cache could send a response without these fields to a page on an allowed origin.
    if (this.#allowed !== "*") all.push(["vary", "Origin"]);
    if (this.#allowed !== undefined) {
      const names = new Set([...cors.exposedHeaders, ...fields.map(([name]) => name)]);
      all.push(["access-control-allow-origin", this.#allowed]);
      all.push(["access-control-expose-headers", [...names].join(", ")]);
    }
    return { status, fields: all };
  }
}
