/** Host or :authority of a request: its check, and the URLs made of it. */

export interface Target {
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
}

const HOST_AND_PORT = /^(\[[0-9a-f:.]+\]|[\w\-.~%!$&'()*+,;=]+)(:\d{0,5})?$/i;

let lastAuthority: string | undefined; // passed the check, and most callers name the same

/** True for `host[:port]` of an http URL (RFC 9110, 4.2.1), which has no userinfo. */
export function isAuthority(text: string): boolean {
  if (text === lastAuthority) return true;
  if (!HOST_AND_PORT.test(text) || !URL.canParse(`http://${text}/`)) return false;
  lastAuthority = text;
  return true;
}

/**
 * Returns the URL of a request. If the client named no host that a URL can have, it has "localhost": gRPC takes any
 * :authority, such as the name of an Envoy cluster.
 */
export function urlOf({ scheme, authority, path }: Target): string {
  return `${scheme}://${isAuthority(authority) ? authority : "localhost"}${path}`;
}
