/** Responses to requests that no handler takes, the same for every protocol. */
import { quote } from "../log/quote.ts";
import { EMPTY_BYTES, type Exchange, type Field } from "./exchange.ts";

/** Responds 400 to a request whose Host or :authority is invalid (RFC 9112, 3.2). */
export function respondBadAuthority(exchange: Exchange): void {
  const message = `read the request: ${quote(exchange.request.authority)} is not a host with an optional port\n`;
  exchange.respond({ status: 400, fields: [["content-type", "text/plain; charset=utf-8"]] }, Buffer.from(message));
}

/**
 * Responds 403 to a browser that names a host that is not allowed, as Rails, Vite and webpack-dev-server do. A 421 would
 * make it try again on another connection (RFC 9110, 15.5.20).
 */
export function respondForbiddenHost(exchange: Exchange): void {
  const { authority, method } = exchange.request;
  const message = `serve host ${quote(authority)}: not one of the allowed hosts (--allowed-hosts)\n`;
  const fields = [["content-type", "text/plain; charset=utf-8"]] as const;
  exchange.respond({ status: 403, fields }, Buffer.from(method === "HEAD" ? "" : message));
}

/** Responds 204 with the methods that the target allows (RFC 9110, 9.3.7). */
export function respondOptions(exchange: Exchange, methods: readonly string[]): void {
  exchange.respond({ status: 204, fields: [allow(methods)] }, EMPTY_BYTES);
}

/** Responds 405 with the methods that the target allows (RFC 9110, 15.5.6). */
export function respondMethodNotAllowed(exchange: Exchange, methods: readonly string[]): void {
  exchange.respond({ status: 405, fields: [allow(methods)] }, EMPTY_BYTES);
}

function allow(methods: readonly string[]): Field {
  return ["allow", [...methods, "OPTIONS"].join(", ")];
}
