/** Validates the header list of a request, and creates its request head (RFC 9113, 8.1.1 to 8.5). */
import type { Field, RequestHead } from "../../http/exchange.ts";
import { FieldKind, type HeaderField } from "../hpack/header-field.ts";

/** A request head, with the properties that the connection itself needs. */
export class Http2RequestHead implements RequestHead {
  readonly httpVersion = "2.0";
  readonly method: string;
  readonly scheme: "http" | "https";
  readonly authority: string;
  readonly path: string;
  readonly fields: readonly Field[];
  /** The value of content-length in bytes, or -1 if the field is missing. */
  readonly contentLength: number;
  /** True if the client waits for 100 (Continue) before it sends the body (RFC 9110, 10.1.1). */
  readonly expectsContinue: boolean;

  constructor(parts: Parts, scheme: "http" | "https") {
    this.method = parts.method as string;
    this.scheme = scheme;
    this.authority = parts.authority ?? parts.host ?? "";
    this.path = parts.path as string;
    this.fields = parts.fields;
    this.contentLength = parts.contentLength;
    this.expectsContinue = parts.expectsContinue;
  }
}

/** Stands in for the head of a request that gets an error response without the handler. */
export const PLACEHOLDER_HEAD = new Http2RequestHead(
  { method: "", scheme: "", authority: "", path: "", host: "", contentLength: -1, expectsContinue: false, fields: [] },
  "http",
);

/** The contents of a header list, sorted by kind. */
interface Parts {
  method: string | undefined;
  scheme: string | undefined;
  authority: string | undefined;
  path: string | undefined;
  host: string | undefined;
  contentLength: number;
  expectsContinue: boolean;
  fields: Field[];
}

/**
 * The reason not to serve a request. "malformed" is a stream error (8.1.1). A number is the status of the error
 * response.
 */
export type InvalidRequest = "malformed" | 400 | 431 | 501;

/**
 * Visible ASCII. This accepts more than an authority of RFC 3986 (8.3.1), as grpc-go does. Health checkers of gRPC send
 * cluster names such as "outbound|50051||sum.default.svc".
 */
const AUTHORITY = /^[!-~]+$/;
/** An IPv6 address without brackets, and a port. The client of node:http2 sends such an authority. */
const BARE_IPV6 = /^([\da-f]*:[\da-f:.]*)(:\d{1,5})$/i;
/** A path and an optional query, in visible ASCII and without a fragment (8.3.1). */
const PATH = /^\/[!"$-~]*$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/;

/** Returns the request head of a header list, or the reason not to serve the request. */
export function parseRequestHead(list: readonly HeaderField[]): Http2RequestHead | InvalidRequest {
  const parts = sortFields(list);
  if (parts === undefined || parts.method === undefined || !TOKEN.test(parts.method)) return "malformed";
  // An invalid authority is malformed too, but gets 400 as on HTTP/1.1 (RFC 9112, 3.2).
  const { host, authority } = parts;
  if (authority !== undefined) {
    if (!AUTHORITY.test(authority)) return 400;
    if (BARE_IPV6.test(authority)) parts.authority = authority.replace(BARE_IPV6, "[$1]$2");
  }
  if (host !== undefined && !AUTHORITY.test(host)) return 400;
  if (parts.method === "CONNECT") return statusOfConnect(parts);
  // All requests except CONNECT have exactly one :method, :scheme and :path (8.3.1).
  const { scheme, path } = parts;
  if (scheme === undefined || path === undefined) return "malformed";
  if (scheme !== "http" && scheme !== "https") return 400;
  if (!PATH.test(path) && !(path === "*" && parts.method === "OPTIONS")) return "malformed";
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
  if (host === undefined || host === authority) return true;
  return authority === undefined || normalize(host, scheme) === normalize(authority, scheme);
}

/** Returns the authority in lower case, without an empty port and without the default port of the scheme. */
function normalize(authority: string, scheme: "http" | "https"): string {
  return authority.toLowerCase().replace(scheme === "http" ? /:(?:80)?$/ : /:(?:443)?$/, "");
}

/** Sorts the fields of a list by kind. Returns undefined if the list is malformed. */
function sortFields(list: readonly HeaderField[]): Parts | undefined {
  const parts: Parts = {
    method: undefined,
    scheme: undefined,
    authority: undefined,
    path: undefined,
    host: undefined,
    contentLength: -1,
    expectsContinue: false,
    fields: [],
  };
  let cookieAt = -1;
  for (const { field, kind } of list) {
    if (kind >= FieldKind.Method && kind <= FieldKind.Authority) {
      // Pseudo-header fields come before all other fields, each at most once (8.3).
      if (parts.fields.length > 0 || !storePseudo(parts, kind, field[1])) return undefined;
      continue;
    }
    if (kind === FieldKind.Cookie && cookieAt >= 0) {
      // Several cookie fields are joined to one (8.2.3).
      parts.fields[cookieAt] = ["cookie", `${parts.fields[cookieAt]?.[1]}; ${field[1]}`];
      continue;
    }
    if (kind === FieldKind.Cookie) cookieAt = parts.fields.length;
    else if (kind !== FieldKind.Regular && !storeField(parts, kind, field[1])) return undefined;
    parts.fields.push(field);
  }
  return parts;
}

/** Stores a pseudo-header field. Returns false if the list has that field already. */
function storePseudo(parts: Parts, kind: FieldKind, value: string): boolean {
  const name =
    kind === FieldKind.Method
      ? "method"
      : kind === FieldKind.Path
        ? "path"
        : kind === FieldKind.Scheme
          ? "scheme"
          : "authority";
  if (parts[name] !== undefined) return false;
  parts[name] = value;
  return true;
}

/** Stores a field that the connection itself reads. Returns false if it is malformed or contradicts an earlier field. */
function storeField(parts: Parts, kind: FieldKind, value: string): boolean {
  if (kind === FieldKind.Host) {
    if (parts.host !== undefined && parts.host !== value) return false;
    parts.host = value;
    return true;
  }
  if (kind === FieldKind.ContentLength) {
    const length = Number(value);
    if (parts.contentLength >= 0 && parts.contentLength !== length) return false;
    parts.contentLength = length;
    return true;
  }
  if (kind === FieldKind.Expect) {
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
