/** Header fields that describe a connection of HTTP/1.1, and not a message (RFC 9110, 7.6.1; RFC 9113, 8.2.2). */

const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** `name` is in lower case. */
export function isConnectionSpecific(name: string): boolean {
  return CONNECTION_SPECIFIC.has(name);
}
