/** The client script's arguments: a call to make, or a sentence on what is not allowed. */
import type { SecureContextOptions } from "node:tls";
import { parseArgs } from "node:util";
import { readTls } from "./client-tls.ts";
import { UsageError } from "./usage-error.ts";

/** What --help prints. */
export const HELP = `usage: npm run client -- [flags] [A B]

Prints the sum of A and B, two int32; of 1 and 2 without them.

  --url URL            where the service is (default http://127.0.0.1:50051)
  --protocol PROTOCOL  connect, grpc or grpcweb (default connect)
  --json               speak JSON instead of binary protobuf
  --get                call by HTTP GET; for connect only
  --http VERSION       1.1 or 2 (default 2); grpc needs 2
  --ca FILE            for https: trust the authorities in this file, in PEM, instead of the well-known ones
  --cert FILE          for https: the client's certificate, in PEM, where the server wants one
  --key FILE           its private key, in PEM
  --timeout MS         give up after this many milliseconds
  --header NAME:VALUE  send this header; may be repeated
  --help, -h           print this
`;

const PROTOCOLS = ["connect", "grpc", "grpcweb"] as const;
const HTTP_VERSIONS = ["2", "1.1"] as const;
const MIN = -(2 ** 31);
const MAX = 2 ** 31 - 1;
const MAX_TIMEOUT_MS = 99_999_999; // gRPC's header has room for eight digits
/** The connection's own (RFC 9113, 8.2.2), and what is worked out from the body. */
const CONNECTION_HEADERS = [
  "connection",
  "content-length",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
];

export interface CallArguments {
  readonly a: number;
  readonly b: number;
  readonly url: string;
  readonly protocol: (typeof PROTOCOLS)[number];
  readonly httpVersion: (typeof HTTP_VERSIONS)[number];
  readonly json: boolean;
  readonly get: boolean;
  readonly timeoutMs: number | undefined;
  readonly headers: Headers;
  /** Empty where Node's own is meant. */
  readonly tls: SecureContextOptions;
}

/** Undefined where help is asked for. Throws UsageError. */
export function readArguments(args: readonly string[]): CallArguments | undefined {
  const { values, positionals } = parse(args);
  const { json, get, timeout } = values;
  if (values.help) return undefined;
  const numbers = readNumbers(positionals);
  const url = readUrl(values.url);
  const protocol = readOneOf(PROTOCOLS, "--protocol", values.protocol);
  const httpVersion = readOneOf(HTTP_VERSIONS, "--http", values.http);
  if (protocol === "grpc" && httpVersion !== "2") throw new UsageError("--http 1.1: gRPC needs HTTP/2");
  if (protocol !== "connect" && get) throw new UsageError(`--get: ${protocol} has no GET; connect has`);
  const timeoutMs = timeout === undefined ? undefined : readTimeout(timeout);
  const headers = readHeaders(values.header);
  return { ...numbers, url, protocol, httpVersion, json, get, timeoutMs, headers, tls: readTls(url, values) };
}

function parse(args: readonly string[]) {
  const string = { type: "string" } as const;
  const boolean = { type: "boolean", default: false } as const;
  try {
    return parseArgs({
      // A number below zero looks like a flag. With a space before it, it is none, and a number still.
      args: args.map((arg) => (/^-[\d.]/.test(arg) ? ` ${arg}` : arg)),
      options: {
        url: { ...string, default: "http://127.0.0.1:50051" },
        protocol: { ...string, default: "connect" },
        json: boolean,
        get: boolean,
        http: { ...string, default: "2" },
        timeout: string,
        header: { ...string, multiple: true, default: [] },
        ca: string,
        cert: string,
        key: string,
        help: { ...boolean, short: "h" },
      },
      allowPositionals: true,
    });
  } catch (error) {
    const [sentence = ""] = (error as Error).message.split(/\. |\n/); // what follows is advice of parseArgs
    throw new UsageError(`${sentence.charAt(0).toLowerCase()}${sentence.slice(1)}; see --help`);
  }
}

function readNumbers(positionals: readonly string[]): { a: number; b: number } {
  if (positionals.length === 0) return { a: 1, b: 2 };
  const [a, b] = positionals;
  if (a === undefined || b === undefined || positionals.length > 2) {
    throw new UsageError(`add ${positionals.length} numbers: must be two`);
  }
  return { a: readInt32(a), b: readInt32(b) };
}

function readInt32(text: string): number {
  const value = Number(text);
  if (/^[+-]?\d+$/.test(text.trim()) && value >= MIN && value <= MAX) return value;
  throw new UsageError(`add ${JSON.stringify(text.trim())}: must be a whole number from ${MIN} to ${MAX}`);
}

function readUrl(text: string): string {
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol) && url.search + url.hash === "") return text;
  throw new UsageError(`--url ${JSON.stringify(text)}: must be like http://127.0.0.1:50051`);
}

function readOneOf<T extends string>(allowed: readonly T[], flag: string, text: string): T {
  const found = allowed.find((each) => each === text);
  if (found !== undefined) return found;
  throw new UsageError(`${flag} ${JSON.stringify(text)}: must be one of ${allowed.join(", ")}`);
}

function readTimeout(text: string): number {
  if (/^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= MAX_TIMEOUT_MS) return Number(text);
  throw new UsageError(`--timeout ${JSON.stringify(text.trim())}: must be milliseconds from 1 to ${MAX_TIMEOUT_MS}`);
}

function readHeaders(lines: readonly string[]): Headers {
  const headers = new Headers();
  for (const line of lines) {
    const [name = "", ...value] = line.split(":");
    if (CONNECTION_HEADERS.includes(name.trim().toLowerCase())) {
      throw new UsageError(`--header ${JSON.stringify(line)}: is about the connection, so it cannot be sent`);
    }
    try {
      if (value.length === 0) throw new TypeError("no colon");
      headers.append(name, value.join(":"));
    } catch {
      throw new UsageError(`--header ${JSON.stringify(line)}: must be like name: value`);
    }
  }
  return headers;
}
