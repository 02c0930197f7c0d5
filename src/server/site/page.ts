/** The page for browsers: index.html at "/" and its files, all read once into memory. */
import { extname, join } from "node:path";
import { type Exchange, fieldValue, type Handler, pathWithoutQuery } from "../http/exchange.ts";
import { respondText } from "../http/responses.ts";
import { quote } from "../log/quote.ts";
import { type Coding, type FileHeads, POLICY, prepareCoding, quality, respondFile } from "./file.ts";

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

const INDEX = "index.html";
const CODINGS = { br: ".br", gzip: ".gz", identity: "" } as const; // in order of preference
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** The policy of SVG pictures, which contain their own styles. */
const PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

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
  const index = files.get(INDEX) as () => readonly Coding[];
  files.delete(INDEX);

  return {
    isWanted({ request }) {
      const accept = fieldValue(request.fields, "accept") ?? "";
      const text = quality(accept, ["text/plain", "text/*", "*/*"]);
      return quality(accept, ["text/html", "text/*", "*/*"]) > text;
    },
    index: (exchange) => respondFile(exchange, index()),
    files(exchange) {
      const { path } = exchange.request;
      const file = files.get(pathWithoutQuery(path).slice(PAGE_FILES.length));
      if (file === undefined) respondText(exchange, 404, `get ${quote(path)}: no such file\n`);
      else respondFile(exchange, file());
    },
  };
}

function namesIn(folder: string): string[] {
  try {
    return process.getBuiltinModule("node:fs").readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Reads a file in its codings. Returns a function that prepares their heads at its first call, because ETags need node:crypto. */
function readCodings(folder: string, name: string, names: ReadonlySet<string>): () => readonly Coding[] {
  const { readFileSync } = process.getBuiltinModule("node:fs");
  const bodies = (Object.entries(CODINGS) as [Coding["name"], string][])
    .filter(([, suffix]) => names.has(name + suffix))
    .map(([coding, suffix]) => [coding, readFileSync(join(folder, name + suffix))] as const);
  let codings: readonly Coding[] | undefined;
  return () => {
    codings ??= bodies.map(([coding, body]) => prepareCoding(coding, body, headsOf(name)));
    return codings;
  };
}

function headsOf(name: string): FileHeads {
  const isIndex = name === INDEX;
  return {
    type: TYPES[extname(name)] as string,
    cacheControl: isIndex ? "no-cache" : "public, max-age=31536000, immutable",
    vary: isIndex ? "Accept, Accept-Encoding" : "Accept-Encoding",
    policy: extname(name) === ".svg" ? PICTURE_POLICY : POLICY,
  };
}
