/** Reads the client script's arguments. */
import type { SecureContextOptions } from "node:tls";
import { parseArgs } from "node:util";
import { flagsTakenByNpm } from "../cli/npm-flags.ts";
import { DURATION_EXAMPLES, parseDuration } from "../cli/units.ts";
import { readTls } from "./tls.ts";
import { UsageError } from "./usage-error.ts";

/** The text that `--help` prints. */
export const HELP = `usage: npm run client -- [flags] [A B]

Calls the service to add A and B, two int32 numbers (default 1 and 2), and prints the sum.

  --url URL            address of the service (default http://127.0.0.1:50051)
  --protocol PROTOCOL  connect, grpc or grpcweb (default connect)
  --json               send JSON instead of binary protobuf
  --get                call with HTTP GET; needs --protocol connect
  --http VERSION       1.1 or 2 (default 2); --protocol grpc needs 2
  --ca FILE            with https: trust the certificate authorities in this PEM file instead of the well-known ones
  --cert FILE          with https: client certificate in PEM, if the server requires one
  --key FILE           private key of --cert in PEM
  --timeout DURATION   cancel the call after this time: a number of ms, or with a unit (${DURATION_EXAMPLES})
  --header NAME:VALUE  send this header; may be repeated
  --verbose, -v        print to stderr the headers, trailers, sizes and times of the call
  --help, -h           print this text
  --version, -V        print the version
`;

const PROTOCOLS = ["connect", "grpc", "grpcweb"] as const;
const HTTP_VERSIONS = ["2", "1.1"] as const;
const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;
/** The longest timeout in ms that fits into the eight digits of the header `grpc-timeout`. */
const MAX_TIMEOUT_MS = 99_999_999;
/** The headers that only the HTTP client sets: those of the connection (RFC 9113, 8.2.2) and the body's length. */
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
  readonly verbose: boolean;
  /** The trusted authorities and the client certificate. An empty object means Node's defaults. */
  readonly tls: SecureContextOptions;
}

const STRING = { type: "string" } as const;
const BOOLEAN = { type: "boolean", default: false } as const;
const OPTIONS = {
  url: { ...STRING, default: "http://127.0.0.1:50051" },
  protocol: { ...STRING, default: "connect" },
  json: BOOLEAN,
  get: BOOLEAN,
  http: { ...STRING, default: "2" },
  timeout: STRING,
  header: { ...STRING, multiple: true, default: [] as string[] },
  ca: STRING,
  cert: STRING,
  key: STRING,
  verbose: { ...BOOLEAN, short: "v" },
} as const;

/** Reads the arguments. Throws UsageError if one is invalid, or if npm took a flag that stood before `--`. */
export function readArguments(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): CallArguments {
  const flags = Object.entries(OPTIONS).map(([flag, { type }]) => ({
    flag,
    takes: type === "string" ? "..." : undefined,
  }));
  const taken = flagsTakenByNpm(["client"], flags, env);
  if (taken !== undefined) throw new UsageError(taken);
  const { values, positionals } = parse(args);
  const { json, get, timeout, verbose } = values;
  const numbers = readNumbers(positionals);
  const url = readUrl(values.url);
  const protocol = readOneOf(PROTOCOLS, "--protocol", values.protocol);
  const httpVersion = readOneOf(HTTP_VERSIONS, "--http", values.http);
  if (protocol === "grpc" && httpVersion !== "2") throw new UsageError("--http 1.1: gRPC needs HTTP/2");
  if (protocol !== "connect" && get) throw new UsageError("--get: needs --protocol connect");
  const timeoutMs = timeout === undefined ? undefined : readTimeout(timeout);
  const headers = readHeaders(values.header);
  const tls = readTls(url, values);
  return { ...numbers, url, protocol, httpVersion, json, get, timeoutMs, headers, verbose, tls };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      // parseArgs reads a negative number as a flag. A space before the number prevents that.
      args: args.map((arg) => (/^-[\d.]/.test(arg) ? ` ${arg}` : arg)),
      options: OPTIONS,
      allowPositionals: true,
    });
  } catch (error) {
    throw new UsageError(flagProblem((error as Error).message));
  }
}

/** Rewords an error message of parseArgs like the messages of the server's command line. */
function flagProblem(message: string): string {
  const [, flag = message] = /'(?:-\w, )?(-[^' ]*)/.exec(message) ?? [];
  if (message.startsWith("Unknown option")) return `${flag}: unknown flag; see --help`;
  if (message.includes("does not take an argument")) return `${flag}: takes no value; see --help`;
  return `${flag}: must be followed by a value; see --help`;
}

function readNumbers(positionals: readonly string[]): { a: number; b: number } {
  if (positionals.length === 0) return { a: 1, b: 2 };
  const [a, b] = positionals;
  if (a === undefined || b === undefined || positionals.length > 2) {
    const given = positionals.map((text) => JSON.stringify(text.trim())).join(" ");
    throw new UsageError(`expected two numbers to add, or none for 1 and 2; got ${positionals.length}: ${given}`);
  }
  return { a: readInt32(a), b: readInt32(b) };
}

function readInt32(text: string): number {
  const value = Number(text);
  if (/^[+-]?\d+$/.test(text.trim()) && value >= INT32_MIN && value <= INT32_MAX) return value;
  throw new UsageError(`add ${JSON.stringify(text.trim())}: must be a whole number from ${INT32_MIN} to ${INT32_MAX}`);
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
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= 1 && ms <= MAX_TIMEOUT_MS) return ms;
  const allowed = `a whole number of ms from 1 to ${MAX_TIMEOUT_MS} or with a unit (${DURATION_EXAMPLES})`;
  throw new UsageError(`--timeout ${JSON.stringify(text.trim())}: must be ${allowed}`);
}

function readHeaders(lines: readonly string[]): Headers {
  const headers = new Headers();
  for (const line of lines) {
    const [name = "", ...value] = line.split(":");
    if (CONNECTION_HEADERS.includes(name.trim().toLowerCase())) {
      throw new UsageError(`--header ${JSON.stringify(line)}: is set by the HTTP client and cannot be changed`);
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
