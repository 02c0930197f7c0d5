/** Strong entity tags (RFC 9110, 8.8.3), and the condition If-None-Match that compares them. */

/**
 * Returns a strong ETag, which is a hash of `parts` in their order. Equal tags must mean equal bodies (RFC 9110,
 * 8.8.1): if a body has several content codings at one URL, the coding must be among the parts.
 */
export function strongETag(...parts: readonly Uint8Array[]): string {
  const { hash } = process.getBuiltinModule("node:crypto");
  return `"${hash("sha256", Buffer.concat(parts), "base64url").slice(0, 22)}"`;
}

/** True if `condition`, a value of If-None-Match, is "*" or names the tag, by weak comparison (RFC 9110, 13.1.2). */
export function matchesETag(condition: string | undefined, etag: string): boolean {
  if (condition === undefined) return false;
  const tags: string[] = condition.match(/"[^"]*"/g) ?? [];
  return condition.trim() === "*" || tags.includes(etag);
}
