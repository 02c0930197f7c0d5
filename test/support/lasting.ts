/** The part of a response that must be equal on two servers. */
import type { HttpResponse } from "./http.ts";

/**
 * Returns the response without the headers that depend on the time, the connection, or the framing of the body in
 * HTTP/1.1.
 */
export function lasting({ status, headers, trailers, body }: HttpResponse) {
  const rest = { ...headers };
  for (const name of ["date", "connection", "keep-alive", "transfer-encoding"]) delete rest[name];
  if (!/^application\/(json|proto)$/.test(String(rest["content-type"]))) delete rest["content-length"];
  return { status, headers: rest, trailers: { ...trailers }, body };
}
