/** Makes a request's head of a header list, where it is well formed (RFC 9113, 8.1.1 to 8.5). */
import type { Field, RequestHead } from "../../http/exchange.ts";
import { FieldKind, type HeaderField } from "../hpack/header-field.ts";

/** A request's head with what the connection asks of it. */
export class Http2RequestHead implements RequestHead {
  readonly httpVersion = "2.0";
  readonly method: string;
  readonly scheme: "http" | "https";
  readonly authority: string;
  readonly path: string;
  readonly fields: readonly Field[];
  /** Bytes of the body as content-length says, or -1. */
  readonly contentLength: number;
  /** Whether the client waits for 100 (Continue) before it sends the body (RFC 9110, 10.1.1). */
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

/** The head of a request that is refused before its head is known. */
export const PLACEHOLDER_HEAD = new Http2RequestHead(
  { method: "", scheme: "", authority: "", path: "", host: "", contentLength: -1, expectsContinue: false, fields: [] },
  "http",
);

/** What a header list consists of. */
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

/** A malformed request, which is a stream error of PROTOCOL_ERROR (8.1.1). */
export const MALFORMED = 0;

/**
 * Visible ASCII. More than an authority of RFC 3986 (8.3.1) is taken, as by grpc-go: gRPC's health checkers send the names
 * of clusters, such as "outbound|50051||sum.default.svc".
 */
const AUTHORITY = /^[!-~]+$/;
/** An IPv6 address and a port without the brackets between them, which is how Node's client sends them. */
const BARE_IPV6 = /^([\da-f]*:[\da-f:.]*)(:\d{1,5})$/i;
/** A path and an optional query, of visible ASCII and without a fragment (8.3.1). */
const PATH = /^\/[!"$-~]*$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/;

/** The head of a list; or MALFORMED; or the status to refuse it with. */
export function parseRequestHead(list: readonly HeaderField[]): Http2RequestHead | number {
  const parts = divide(list);
  if (parts === undefined || parts.method === undefined || !TOKEN.test(parts.method)) return MALFORMED;
  // Malformed too, but answered, and as over HTTP/1.1 (RFC 9112, 3.2).
  const { host } = parts;
  const { authority } = parts;
  if (authority !== undefined) {
    if (!AUTHORITY.test(authority)) return 400;
    if (BARE_IPV6.test(authority)) parts.authority = authority.replace(BARE_IPV6, "[$1]$2");
  }
  if (host !== undefined && !AUTHORITY.test(host)) return 400;
  if (parts.method === "CONNECT") return connect(parts);
  // All requests but CONNECT have exactly one :method, :scheme and :path (8.3.1).
  const { scheme, path } = parts;
  if (scheme === undefined || path === undefined) return MALFORMED;
  if (scheme !== "http" && scheme !== "https") return 400;
  if (!PATH.test(path) && !(path === "*" && parts.method === "OPTIONS")) return MALFORMED;
  return agree(parts, scheme) ? new Http2RequestHead(parts, scheme) : MALFORMED;
}

/** CONNECT has neither :scheme nor :path (8.5); what it asks for is not implemented here (RFC 9110, 15.6.2). */
function connect(parts: Parts): number {
  return parts.scheme === undefined && parts.path === undefined && parts.authority !== undefined ? 501 : MALFORMED;
}

/** Host, where given, names what :authority names (8.3.1). */
function agree({ host, authority }: Parts, scheme: "http" | "https"): boolean {
  if (host === undefined || host === authority) return true;
  return authority === undefined || normal(host, scheme) === normal(authority, scheme);
}

function normal(authority: string, scheme: "http" | "https"): string {
  return authority.toLowerCase().replace(scheme === "http" ? /:(?:80)?$/ : /:(?:443)?$/, "");
}

/** Sorts a list's fields out; undefined where the list itself is malformed. */
function divide(list: readonly HeaderField[]): Parts | undefined {
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
  let cookie = -1;
  for (const { field, kind } of list) {
    if (kind >= FieldKind.Method && kind <= FieldKind.Authority) {
      // Pseudo-header fields stand before the others, each once (8.3).
      if (parts.fields.length > 0 || !takePseudo(parts, kind, field[1])) return undefined;
      continue;
    }
    if (kind === FieldKind.Cookie && cookie >= 0) {
      // Crumbs of a cookie are one field to everyone else (8.2.3).
      parts.fields[cookie] = ["cookie", `${parts.fields[cookie]?.[1]}; ${field[1]}`];
      continue;
    }
    if (kind === FieldKind.Cookie) cookie = parts.fields.length;
    else if (kind !== FieldKind.Regular && !takeField(parts, kind, field[1])) return undefined;
    parts.fields.push(field);
  }
  return parts;
}

function takePseudo(parts: Parts, kind: FieldKind, value: string): boolean {
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

/**
 * Takes a field that says something to the connection; false where it is malformed, or says another thing than before.
 */
function takeField(parts: Parts, kind: FieldKind, value: string): boolean {
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

/** Whether a list may be trailers: no pseudo-header fields, and nothing malformed (8.1). */
export function areTrailers(list: readonly HeaderField[]): boolean {
  return list.every(
    ({ kind }) => kind !== FieldKind.Malformed && (kind < FieldKind.Method || kind > FieldKind.Authority),
  );
}
