/** Reads the metadata and the deadline of a call, as the user typed them. */
import type { Header } from "./recorder.ts";

/** A name and a value, as they are in their fields. */
export type MetadataRow = readonly [name: string, value: string];

/**
 * The problem of a row. "name": not a valid name. "protocol": the protocol sets this header. "browser": browsers do not
 * let scripts set this header. "value": not printable ASCII. "binary": the value of a name with -bin is not Base64.
 */
export type MetadataProblem = "name" | "protocol" | "browser" | "value" | "binary";

/** The headers of a call, or the problem of each invalid row, by its index. */
export type MetadataResult =
  | { readonly headers: readonly Header[] }
  | { readonly problems: ReadonlyMap<number, MetadataProblem> };

/** Reads the rows. Leaves out rows without a name and a value. Names become lower case, as in HTTP/2. */
export function readMetadata(rows: readonly MetadataRow[]): MetadataResult {
  const headers: Header[] = [];
  const problems = new Map<number, MetadataProblem>();
  for (const [index, [typedName, typedValue]] of rows.entries()) {
    const [name, value] = [typedName.trim().toLowerCase(), typedValue.trim()];
    if (name === "" && value === "") continue;
    const problem = problemOf(name, value);
    if (problem === undefined) headers.push([name, value]);
    else problems.set(index, problem);
  }
  return problems.size > 0 ? { problems } : { headers };
}

function problemOf(name: string, value: string): MetadataProblem | undefined {
  if (!/^[0-9a-z_.-]+$/.test(name)) return "name";
  if (OF_PROTOCOL.test(name)) return "protocol";
  if (OF_BROWSER.test(name)) return "browser";
  if (!/^[ -~]*$/.test(value)) return "value";
  return name.endsWith("-bin") && !value.split(",").every((each) => isBase64(each.trim())) ? "binary" : undefined;
}

/** Matches the names of headers that the protocols reserve or set (PROTOCOL-HTTP2; Connect protocol). */
const OF_PROTOCOL = /^(grpc-.*|connect-.*|content-type|content-encoding|x-grpc-web|x-user-agent)$/;

/**
 * Matches the names that browsers ignore (Fetch, "forbidden request-header"). Chromium ignores User-Agent too, which Fetch
 * allows.
 */
const OF_BROWSER =
  /^(proxy-.*|sec-.*|accept-(charset|encoding)|access-control-request-.*|connection|content-length|cookie2?|date|dnt|expect|host|keep-alive|origin|referer|set-cookie|te|trailer|transfer-encoding|upgrade|user-agent|via)$/;

/** True for Base64 with or without padding (RFC 4648, 4). */
function isBase64(text: string): boolean {
  const [, digits] = /^([A-Za-z0-9+/]*)={0,2}$/.exec(text) ?? [];
  return digits !== undefined && digits.length % 4 !== 1;
}

/** The maximum deadline: gRPC's header has eight digits (PROTOCOL-HTTP2, "TimeoutValue"). */
export const MAX_TIMEOUT_MS = 99_999_999;

/** Reads a deadline in ms. Returns undefined for an empty text, and "invalid" for other texts. */
export function readTimeout(text: string): number | undefined | "invalid" {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  return /^[1-9]\d{0,7}$/.test(trimmed) ? Number(trimmed) : "invalid";
}
