/**
 * Converts the heads of Node requests. Clients repeat their requests, so equal heads in a row share one object, and other
 * heads share equal fields.
 */
import type { IncomingMessage } from "node:http";
import { type Field, fieldValue, type RequestHead } from "../http/exchange.ts";

/** The properties of a Node request that determine its head. */
type Source = Pick<IncomingMessage, "httpVersion" | "method" | "url" | "rawHeaders"> & { readonly isSecure: boolean };

interface Known {
  readonly source: Source;
  readonly path: string | undefined;
  readonly head: RequestHead;
}

/** Creates the heads of the requests of one or several servers. */
export class NodeRequestHeads {
  #last: Known | undefined;

  /**
   * Returns the head of a request: the object of the previous request, if their heads are equal. `isSecure` is true for
   * TLS. `path` is the path and query to which a framework has routed the request; undefined if they are those of the
   * request.
   */
  of(req: IncomingMessage, isSecure: boolean, path?: string): RequestHead {
    const last = this.#last;
    if (last?.path === path && last?.source.isSecure === isSecure && isEqual(last.source, req)) return last.head;
    const sent = requestHead(req, isSecure, last);
    const head = path === undefined ? sent : { ...sent, path, sentPath: sent.path };
    const { httpVersion, method, url, rawHeaders } = req;
    this.#last = { source: { httpVersion, method, url, rawHeaders, isSecure }, path, head };
    return head;
  }
}

function isEqual(one: Source, other: IncomingMessage): boolean {
  if (one.url !== other.url || one.method !== other.method || one.httpVersion !== other.httpVersion) return false;
  const { rawHeaders: raw } = one;
  const { rawHeaders: others } = other;
  if (raw.length !== others.length) return false;
  for (let i = 0; i < raw.length; i++) if (raw[i] !== others[i]) return false;
  return true;
}

function requestHead(req: IncomingMessage, isSecure: boolean, last: Known | undefined): RequestHead {
  const fields = fieldsOf(req.rawHeaders, last);
  const target = req.url ?? "";
  // A target in absolute form overrides Host (RFC 9112, 3.2.2).
  const [, host, path] = target.startsWith("/") ? [] : (/^https?:\/\/([^/?#]*)([^#]*)/i.exec(target) ?? []);
  const { authority, scheme } = req as { authority?: string; scheme?: string }; // only of node:http2
  // HTTP/1.0 permits requests without Host (RFC 9112, 3.2). They are served like requests to localhost.
  const defaultHost = req.httpVersion === "1.0" ? "localhost" : "";
  return {
    httpVersion: req.httpVersionMajor === 2 ? "2.0" : "1.1",
    scheme: scheme === "https" || isSecure ? "https" : "http",
    method: req.method ?? "",
    authority: host ?? authority ?? fieldValue(fields, "host") ?? defaultHost,
    path: path === undefined ? target : path.startsWith("/") ? path : `/${path}`,
    fields,
  };
}

/**
 * Returns the fields in Node's flat list of names and values, without the pseudo-header fields of HTTP/2, which come
 * first. Reuses the names and the fields of `last` that are at the same place.
 */
function fieldsOf(raw: readonly string[], last: Known | undefined): Field[] {
  const lastRaw = last?.source.rawHeaders ?? [];
  const lastFields = last?.head.fields ?? [];
  const pseudoFields = lastRaw.length / 2 - lastFields.length;
  const fields: Field[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string;
    const value = raw[i + 1] as string;
    const known = name === lastRaw[i] ? lastFields[i / 2 - pseudoFields] : undefined;
    if (known !== undefined) fields.push(known[1] === value ? known : [known[0], value]);
    else if (!name.startsWith(":")) fields.push([name.toLowerCase(), value]);
  }
  return fields;
}
