/** The page for browsers: index.html at "/" and its files, all read once into memory. */
import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { matchesETag, strongETag } from "../http/etag.ts";
import {
  EMPTY_BYTES,
  type Exchange,
  type Field,
  fieldValue,
  type Handler,
  pathWithoutQuery,
  type ResponseHead,
} from "../http/exchange.ts";
import { checkMethod, respondText } from "../http/responses.ts";
import { quote } from "../log/quote.ts";

/** The prefix of the paths of the page's files. A service cannot have the name "-", so no method has such a path. */
export const PAGE_FILES = "/-/";

export interface Page {
  /** True if the request prefers HTML to plain text. */
  isWanted(exchange: Exchange): boolean;
  /** Responds to GET and HEAD of "/". */
  readonly index: Handler;
  /** Responds to every method of every path below PAGE_FILES. */
  readonly files: Handler;
}

/** A file in one content coding, with the heads of its responses. */
interface Coding {
  readonly name: "br" | "gzip" | "identity";
  readonly body: Buffer;
  readonly head: ResponseHead;
  /** The head of the response to HEAD. */
  readonly headOfHead: ResponseHead;
  /** The head of the response 304 (Not Modified). */
  readonly headOfUnchanged: ResponseHead;
  readonly etag: string;
}

const METHODS = ["GET", "HEAD"];
const INDEX = "index.html";
const CODINGS = { br: ".br", gzip: ".gz", identity: "" } as const; // in order of preference
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** The Content-Security-Policy: only files from this origin, only requests to it, no frames, and no code from strings. */
const POLICY = [
  "default-src 'none'",
  ...["script-src", "style-src", "img-src", "connect-src"].map((name) => `${name} 'self'`),
  ...["base-uri", "form-action", "frame-ancestors"].map((name) => `${name} 'none'`),
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

/** The policy of SVG pictures, which contain their own styles. */
const PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

const SAFETY: readonly Field[] = [
  ["cross-origin-opener-policy", "same-origin"],
  ["cross-origin-resource-policy", "same-origin"],
  ["referrer-policy", "no-referrer"],
  ["x-content-type-options", "nosniff"],
];

/**
 * Reads the page from a folder. Returns undefined if the folder does not contain index.html. A file may have compressed
 * copies with .br and .gz added to its name. Each name except index.html must contain a hash of the contents,
 * because caches may store these files for a year.
 */
export function readPage(folder: string): Page | undefined {
  const names = namesIn(folder);
  if (!names.includes(INDEX)) return undefined;
  const files = new Map(
    names
      .filter((name) => Object.hasOwn(TYPES, extname(name)))
      .map((name) => [name, readCodings(folder, name, new Set(names))]),
  );
  const index = files.get(INDEX) as readonly Coding[];
  files.delete(INDEX);

  return {
    isWanted({ request }) {
      const accept = fieldValue(request.fields, "accept") ?? "";
      const text = quality(accept, ["text/plain", "text/*", "*/*"]);
      return quality(accept, ["text/html", "text/*", "*/*"]) > text;
    },
    index: (exchange) => respondFile(exchange, index),
    files(exchange) {
      const { path } = exchange.request;
      const file = files.get(pathWithoutQuery(path).slice(PAGE_FILES.length));
      if (file === undefined) respondText(exchange, 404, `get ${quote(path)}: no such file\n`);
      else if (checkMethod(exchange, METHODS)) respondFile(exchange, file);
    },
  };
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function readCodings(folder: string, name: string, names: ReadonlySet<string>): Coding[] {
  const codings = Object.entries(CODINGS) as [Coding["name"], string][];
  return codings
    .filter(([, suffix]) => names.has(name + suffix))
    .map(([coding, suffix]) => prepare(name, coding, readFileSync(join(folder, name + suffix))));
}

function prepare(file: string, name: Coding["name"], body: Buffer): Coding {
  const etag = strongETag(body);
  const lasting: readonly Field[] = [
    ["cache-control", file === INDEX ? "no-cache" : "public, max-age=31536000, immutable"],
    ["etag", etag],
    ["vary", file === INDEX ? "Accept, Accept-Encoding" : "Accept-Encoding"],
    ["content-security-policy", extname(file) === ".svg" ? PICTURE_POLICY : POLICY],
    ...SAFETY,
  ];
  const fields: readonly Field[] = [
    ["content-type", TYPES[extname(file)] as string],
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

function respondFile(exchange: Exchange, codings: readonly Coding[]): void {
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
