/** Validates the header list of a request, and creates its request head (RFC 9113, 8.1.1 to 8.5). */
import type { Field, RequestHead } from "../../http/exchange.ts";
import { FieldKind, HeaderField } from "../hpack/header-field.ts";

/** A request head, with the properties that the connection itself needs. */
export class Http2RequestHead implements RequestHead {
  readonly httpVersion = "2.0";
  readonly method: string;
  readonly scheme: "http" | "https";
  readonly authority: string;
  readonly path: string;
  /** The value of content-length in bytes, or -1 if the field is missing. */
  readonly contentLength: number;
  /** True if the client waits for 100 (Continue) before it sends the body (RFC 9110, 10.1.1). */
  readonly expectsContinue: boolean;
  /** Set by RequestDecoder when it keeps the head. */
  isShared = false;
  readonly #entries: readonly HeaderField[];
  #fields: readonly Field[] | undefined;

  constructor(parts: Parts, scheme: "http" | "https") {
    this.method = textOf(parts.method);
    this.scheme = scheme;
    this.authority = textOf(parts.authority ?? parts.host);
    this.path = textOf(parts.path);
    this.#entries = parts.entries;
    this.contentLength = parts.contentLength;
    this.expectsContinue = parts.expectsContinue;
  }

  get fields(): readonly Field[] {
    this.#fields ??= this.#entries.map(({ field }) => field);
    return this.#fields;
  }

  lookUp(name: string): string | undefined {
    let value: string | undefined;
    for (const entry of this.#entries) {
      if (entry.name.text === name) value = value === undefined ? textOf(entry) : `${value}, ${textOf(entry)}`;
    }
    return value;
  }
}

/** The contents of a header list, sorted by kind. */
class Parts {
  method: HeaderField | undefined;
  scheme: HeaderField | undefined;
  authority: HeaderField | undefined;
  path: HeaderField | undefined;
  host: HeaderField | undefined;
  contentLength = -1;
  expectsContinue = false;
  /** The fields other than pseudo-header fields. */
  readonly entries: HeaderField[] = [];
}

/** Stands in for the head of a request that gets an error response without the handler. */
export const PLACEHOLDER_HEAD = new Http2RequestHead(new Parts(), "http");

/** Returns the value of a field, or an empty value if the field is missing. */
function textOf(field: HeaderField | undefined): string {
  return field === undefined ? "" : field.field[1];
}

/**
 * The reason not to serve a request. "malformed" is a stream error (8.1.1). A number is the status of the error
 * response.
 */
export type InvalidRequest = "malformed" | 400 | 431 | 501;

/** Returns the request head of a header list, or the reason not to serve the request. */
export function parseRequestHead(list: readonly HeaderField[]): Http2RequestHead | InvalidRequest {
  const parts = sortFields(list);
  if (!parts?.method?.isWellFormed) return "malformed";
  const { method, authority, host, path } = parts;
  // An invalid authority is malformed too, but gets 400 as on HTTP/1.1 (RFC 9112, 3.2).
  if (authority?.isWellFormed === false || host?.isWellFormed === false) return 400;
  if (textOf(method) === "CONNECT") return statusOfConnect(parts);
  // All requests except CONNECT have exactly one :method, :scheme and :path (8.3.1).
  if (parts.scheme === undefined || path === undefined) return "malformed";
  const scheme = textOf(parts.scheme);
  if (scheme !== "http" && scheme !== "https") return 400;
  if (!path.isWellFormed && !(textOf(path) === "*" && textOf(method) === "OPTIONS")) return "malformed";
  return isHostConsistent(parts, scheme) ? new Http2RequestHead(parts, scheme) : "malformed";
}

/**
 * Returns 501 for a well-formed CONNECT, which has :authority but neither :scheme nor :path (8.5). Otherwise returns
 * "malformed".
 */
function statusOfConnect(parts: Parts): InvalidRequest {
  return parts.scheme === undefined && parts.path === undefined && parts.authority !== undefined ? 501 : "malformed";
}

/** True unless host and :authority name different authorities (8.3.1). */
function isHostConsistent({ host, authority }: Parts, scheme: "http" | "https"): boolean {
  if (host === undefined || authority === undefined) return true;
  const [a, b] = [textOf(host), textOf(authority)];
  return a === b || normalize(a, scheme) === normalize(b, scheme);
}

/** Returns the authority in lower case, without an empty port and without the default port of the scheme. */
function normalize(authority: string, scheme: "http" | "https"): string {
  return authority.toLowerCase().replace(scheme === "http" ? /:(?:80)?$/ : /:(?:443)?$/, "");
}

/** Sorts the fields of a list by kind. Returns undefined if the list is malformed. */
function sortFields(list: readonly HeaderField[]): Parts | undefined {
  const parts = new Parts();
  const { entries } = parts;
  let cookieAt = -1;
  for (const entry of list) {
    const { kind } = entry;
    if (kind >= FieldKind.Method && kind <= FieldKind.Authority) {
      // Pseudo-header fields come before all other fields, each at most once (8.3).
      if (entries.length > 0 || !storePseudo(parts, entry)) return undefined;
      continue;
    }
    if (kind === FieldKind.Cookie && cookieAt >= 0) {
      // Several cookie fields are joined to one (8.2.3).
      entries[cookieAt] = HeaderField.of(entry.name, `${textOf(entries[cookieAt])}; ${textOf(entry)}`, false);
      continue;
    }
    if (kind === FieldKind.Cookie) cookieAt = entries.length;
    else if (kind !== FieldKind.Regular && !storeField(parts, entry)) return undefined;
    entries.push(entry);
  }
  return parts;
}

/** Stores a pseudo-header field. Returns false if the list has that field already. */
function storePseudo(parts: Parts, entry: HeaderField): boolean {
  const { kind } = entry;
  const earlier =
    kind === FieldKind.Method
      ? parts.method
      : kind === FieldKind.Path
        ? parts.path
        : kind === FieldKind.Scheme
          ? parts.scheme
          : parts.authority;
  if (kind === FieldKind.Method) parts.method = entry;
  else if (kind === FieldKind.Path) parts.path = entry;
  else if (kind === FieldKind.Scheme) parts.scheme = entry;
  else parts.authority = entry;
  return earlier === undefined;
}

/** Stores a field that the connection itself reads. Returns false if it is malformed or contradicts an earlier field. */
function storeField(parts: Parts, entry: HeaderField): boolean {
  const value = textOf(entry);
  if (entry.kind === FieldKind.Host) {
    if (parts.host !== undefined && textOf(parts.host) !== value) return false;
    parts.host = entry;
    return true;
  }
  if (entry.kind === FieldKind.ContentLength) {
    const length = Number(value);
    if (parts.contentLength >= 0 && parts.contentLength !== length) return false;
    parts.contentLength = length;
    return true;
  }
  if (entry.kind === FieldKind.Expect) {
    parts.expectsContinue = value.toLowerCase() === "100-continue";
    return true;
  }
  return false;
}

/** True if the list is valid as trailers: without pseudo-header fields and without malformed fields (8.1). */
export function areTrailers(list: readonly HeaderField[]): boolean {
  return list.every(
    ({ kind }) => kind !== FieldKind.Malformed && (kind < FieldKind.Method || kind > FieldKind.Authority),
  );
}
