/** The authority of a request (Host or :authority): the rule for a valid one, its host, and the request's URL. */
import type { RequestHead } from "./exchange.ts";

const HOST_AND_PORT = /^(\[[0-9a-f:.]+\]|[\w\-.~%!$&'()*+,;=]+)(:\d{0,5})?$/i;

/** The valid authority that was checked most recently. Most requests have the same one, and checking it costs 1 µs. */
let lastAuthority: string | undefined;

/** True if `text` is a host with an optional port, without userinfo (RFC 9110, 4.2.1 and 4.2.4). */
function isAuthority(text: string): boolean {
  if (text === lastAuthority) return true;
  const isValid = HOST_AND_PORT.test(text) && URL.canParse(`http://${text}/`);
  if (isValid) lastAuthority = text;
  return isValid;
}

/**
 * Returns the host of an authority in the form that browsers use: in lower case, with addresses in canonical form, and
 * without port and final dot. Returns undefined if the authority is invalid.
 */
export function hostOf(authority: string): string | undefined {
  if (!HOST_AND_PORT.test(authority)) return undefined;
  return URL.parse(`http://${authority}/`)?.hostname.replace(/\.$/, "");
}

/**
 * Returns the URL of a request. If the authority is invalid, the URL has the host "localhost": gRPC clients may send
 * any text as :authority, for example the name of an Envoy cluster.
 */
export function urlOf(head: Pick<RequestHead, "scheme" | "authority" | "path" | "sentPath">): string {
  const { scheme, authority, path, sentPath = path } = head;
  return `${scheme}://${isAuthority(authority) ? authority : "localhost"}${sentPath}`;
}
