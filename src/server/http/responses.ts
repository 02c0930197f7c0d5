/** Short responses that several handlers send. */
import { EMPTY_BYTES, type Exchange, type Field } from "./exchange.ts";

/** Responds with plain text. A response to HEAD has no body. */
export function respondText(exchange: Exchange, status: number, text: string, moreFields: readonly Field[] = []): void {
  const fields: Field[] = [["content-type", "text/plain; charset=utf-8"], ...moreFields];
  exchange.respond({ status, fields }, Buffer.from(exchange.request.method === "HEAD" ? "" : text));
}

/**
 * Returns true if the request's method is one of `methods`. Otherwise returns false and responds: 204 to OPTIONS, 405 to
 * other methods. Both responses name the allowed methods (RFC 9110, 9.3.7 and 15.5.6).
 */
export function checkMethod(exchange: Exchange, methods: readonly string[]): boolean {
  const { method } = exchange.request;
  if (methods.includes(method)) return true;
  if (method === "OPTIONS") respondOptions(exchange, methods);
  else exchange.respond({ status: 405, fields: [allow(methods)] }, EMPTY_BYTES);
  return false;
}

/** Responds 204 with the methods that the target allows (RFC 9110, 9.3.7). */
export function respondOptions(exchange: Exchange, methods: readonly string[]): void {
  exchange.respond({ status: 204, fields: [allow(methods)] }, EMPTY_BYTES);
}

function allow(methods: readonly string[]): Field {
  return ["allow", [...methods, "OPTIONS"].join(", ")];
}
