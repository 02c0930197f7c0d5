/** Files in memory: their content codings, and the responses to GET and HEAD of their paths. */
import { matchesETag, strongETag } from "../http/etag.ts";
import { EMPTY_BYTES, type Exchange, type Field, fieldValue, type ResponseHead } from "../http/exchange.ts";
import { checkMethod } from "../http/responses.ts";

/** A file in one content coding, with the heads of its responses. */
export interface Coding {
  readonly name: "br" | "gzip" | "identity";
  readonly body: Buffer;
  readonly head: ResponseHead;
  /** The head of the response to HEAD. */
  readonly headOfHead: ResponseHead;
  /** The head of the response 304 (Not Modified). */
  readonly headOfUnchanged: ResponseHead;
  readonly etag: string;
}

/** The header fields of a file that are the same in every content coding. */
export interface FileHeads {
  readonly type: string;
  readonly cacheControl: string;
  readonly vary: string;
  /** The Content-Security-Policy. */
  readonly policy: string;
}

const METHODS = ["GET", "HEAD"];

/** The Content-Security-Policy: only files from this origin, only requests to it, no frames, and no code from strings. */
export const POLICY = [
  "default-src 'none'",
  ...["script-src", "style-src", "img-src", "connect-src"].map((name) => `${name} 'self'`),
  ...["base-uri", "form-action", "frame-ancestors"].map((name) => `${name} 'none'`),
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const SAFETY: readonly Field[] = [
  ["cross-origin-opener-policy", "same-origin"],
  ["cross-origin-resource-policy", "same-origin"],
  ["referrer-policy", "no-referrer"],
  ["x-content-type-options", "nosniff"],
];

export function prepareCoding(name: Coding["name"], body: Buffer, heads: FileHeads): Coding {
  const etag = strongETag(body);
  const lasting: readonly Field[] = [
    ["cache-control", heads.cacheControl],
    ["etag", etag],
    ["vary", heads.vary],
    ["content-security-policy", heads.policy],
    ...SAFETY,
  ];
  const fields: readonly Field[] = [
    ["content-type", heads.type],
    ...(name === "identity" ? [] : [["content-encoding", name] as const]),
    ...lasting,
  ];
  return {
    name,
    body,
    etag,
    head: { status: 200, fields },
    headOfHead: { status: 200, fields: [...fields, ["content-length", String(body.length)]] },
    headOfUnchanged: { status: 304, fields: lasting },
  };
}

/**
 * Responds with the first of `codings` that the client accepts. Their last one must be "identity". A method other than
 * GET and HEAD gets 204 or 405.
 */
export function respondFile(exchange: Exchange, codings: readonly Coding[]): void {
  if (!checkMethod(exchange, METHODS)) return;
  const { method, fields } = exchange.request;
  const accepted = fieldValue(fields, "accept-encoding") ?? "";
  const wanted = codings.find(({ name }) => name === "identity" || quality(accepted, [name, "*"]) > 0) as Coding;
  if (matchesETag(fieldValue(fields, "if-none-match"), wanted.etag))
    exchange.respond(wanted.headOfUnchanged, EMPTY_BYTES);
  else if (method === "HEAD") exchange.respond(wanted.headOfHead, EMPTY_BYTES);
  else exchange.respond(wanted.head, wanted.body);
}

/**
 * Returns the weight of a media type or a coding in `value`, the text of Accept or Accept-Encoding (RFC 9110, 12.4.2).
 * `ranges` lists the names that match the media type or coding, most specific first. The most specific name that `value`
 * contains determines the weight. The weight is 0 if `value` does not contain any of these names.
 */
export function quality(value: string, ranges: readonly string[]): number {
  const given = new Map(value.toLowerCase().split(",").map(readRange));
  const range = ranges.find((each) => given.has(each));
  return range === undefined ? 0 : (given.get(range) as number);
}

/** Reads a range and its weight, which is 1 by default (RFC 9110, 12.4.2). */
function readRange(text: string): [range: string, weight: number] {
  const [range = "", ...parameters] = text.split(";").map((part) => part.trim());
  const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
  return [range, weight === undefined ? 1 : Number(weight) || 0];
}
