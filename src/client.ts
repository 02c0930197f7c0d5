/** The client script: has the service add two numbers, and prints the sum. */
import { parseArgs } from "node:util";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { Test } from "../gen/service_pb.ts";

const HELP = `usage: npm run client -- [flags] [A B]

Prints the sum of A and B, two int32; of 1 and 2 without them.

  --url URL            where the service is (default http://127.0.0.1:50051)
  --protocol PROTOCOL  connect, grpc or grpcweb (default connect)
  --json               speak JSON instead of binary protobuf
  --get                call by HTTP GET; for connect only
  --http VERSION       1.1 or 2 (default 2); grpc needs 2
  --timeout MS         give up after this many milliseconds
  --header NAME:VALUE  send this header; may be repeated
  --help               print this
`;

const TRANSPORTS = { connect: createConnectTransport, grpc: createGrpcTransport, grpcweb: createGrpcWebTransport };
const MIN = -(2 ** 31);
const MAX = 2 ** 31 - 1;
const MAX_TIMEOUT_MS = 99_999_999; // gRPC's header has room for eight digits

/** An argument that is not allowed. */
class UsageError extends Error {}

async function main(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args);
  if (values.help) return console.log(HELP);
  const { a, b } = readNumbers(positionals);
  const baseUrl = readUrl(values.url);
  const protocol = readOneOf(TRANSPORTS, "--protocol", values.protocol);
  const httpVersion = readOneOf({ "1.1": 0, "2": 0 }, "--http", values.http);
  if (protocol === "grpc" && httpVersion !== "2") throw new UsageError("--http 1.1: gRPC needs HTTP/2");
  if (protocol !== "connect" && values.get) throw new UsageError(`--get: ${protocol} has no GET; connect has`);
  const timeoutMs = values.timeout === undefined ? {} : { timeoutMs: readTimeout(values.timeout) };
  const headers = readHeaders(values.header);

  const options = { baseUrl, httpVersion, useBinaryFormat: !values.json, useHttpGet: values.get };
  const client = createClient(Test, TRANSPORTS[protocol](options));
  const { sum } = await client.getSum({ a, b }, { headers, ...timeoutMs }).catch((error) => {
    throw new Error(describe(error, baseUrl));
  });
  console.log("-------------- Get Sum --------------");
  console.log(`Received sum: sum: ${sum}`);
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
        help: boolean,
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

function readOneOf<T extends object>(allowed: T, flag: string, text: string): keyof T {
  if (Object.hasOwn(allowed, text)) return text as keyof T;
  throw new UsageError(`${flag} ${JSON.stringify(text)}: must be one of ${Object.keys(allowed).join(", ")}`);
}

function readTimeout(text: string): number {
  if (/^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= MAX_TIMEOUT_MS) return Number(text);
  throw new UsageError(`--timeout ${JSON.stringify(text.trim())}: must be milliseconds from 1 to ${MAX_TIMEOUT_MS}`);
}

function readHeaders(lines: readonly string[]): Headers {
  const headers = new Headers();
  for (const line of lines) {
    const [name = "", ...value] = line.split(":");
    try {
      if (value.length === 0) throw new TypeError("no colon");
      headers.append(name, value.join(":"));
    } catch {
      throw new UsageError(`--header ${JSON.stringify(line)}: must be like name: value`);
    }
  }
  return headers;
}

function describe(reason: unknown, url: string): string {
  const { code, rawMessage, cause } = ConnectError.from(reason);
  const { code: systemError } = (cause ?? {}) as NodeJS.ErrnoException;
  if (code === Code.Unavailable && systemError !== undefined) {
    return `call ${url}: no server there (${systemError}); npm start starts one`;
  }
  return `${codeToString(code)}: ${rawMessage}`;
}

main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
