/** What two servers that answer alike have in common. */
import type { HttpResponse } from "./http.ts";

/** An answer without what changes from one second or connection to the next, and how HTTP/1.1 frames what has no length. */
export function lasting({ status, headers, trailers, body }: HttpResponse) {
  const rest = { ...headers };
  for (const name of ["date", "connection", "keep-alive", "transfer-encoding"]) delete rest[name];
  if (!/^application\/(json|proto)$/.test(String(rest["content-type"]))) delete rest["content-length"];
  return { status, headers: rest, trailers: { ...trailers }, body };
}
