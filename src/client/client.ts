/** The client script: calls the service to add two numbers, and prints the sum. */
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { Test } from "../../gen/service_pb.ts";
import { asksFor } from "../cli/flags.ts";
import { versionLine } from "../cli/version.ts";
import { retryRefused } from "../server/retry-refused.ts";
import { type CallArguments, HELP, readArguments } from "./arguments.ts";
import { UsageError } from "./usage-error.ts";
import { printCalls } from "./verbose/verbose.ts";

const TRANSPORTS = { connect: createConnectTransport, grpc: createGrpcTransport, grpcweb: createGrpcWebTransport };
const PROTOCOL_NAMES = { connect: "Connect", grpc: "gRPC", grpcweb: "gRPC-Web" };

async function main(args: readonly string[]): Promise<void> {
  const asked = asksFor(args);
  if (asked !== undefined) return console.log(asked === "help" ? HELP : versionLine());
  const call = readArguments(args, process.env);
  const { a, b, url: baseUrl, httpVersion, json, get, headers, timeoutMs, tls: nodeOptions } = call;
  const format = { useBinaryFormat: !json, useHttpGet: get };
  const options = { baseUrl, httpVersion, ...format, nodeOptions, interceptors: [retryRefused] };
  if (call.verbose) {
    console.error(
      `* ${PROTOCOL_NAMES[call.protocol]} with ${json ? "JSON" : "binary protobuf"} over HTTP/${httpVersion} to ${baseUrl}`,
    );
    printCalls((line) => console.error(line));
  }
  const client = createClient(Test, TRANSPORTS[call.protocol](options));
  const { sum } = await client
    .getSum({ a, b }, { headers, ...(timeoutMs !== undefined && { timeoutMs }) })
    .catch((error) => {
      throw new Error(describeError(error, call));
    });
  console.log("-------------- Get Sum --------------");
  console.log(`Received sum: sum: ${sum}`);
}

const NEEDS_CERTIFICATE = "it may require a certificate (--cert, --key)";

/** The known TLS problems. Each has a pattern for the error of Node or OpenSSL, and a sentence for the user. */
const TLS_PROBLEMS: readonly (readonly [problem: RegExp, sentence: string])[] = [
  [/wrong.version.number|packet.length.too.long/i, "the server does not speak TLS; try a URL that begins with http://"],
  [
    /self.signed|unable.to.(verify|get)/i,
    "no trusted authority signed the server's certificate; --ca FILE names one to trust",
  ],
  [/cert.*(expired|not.yet.valid)/i, "the server's certificate has expired or is not valid yet"],
  [/ALTNAME_INVALID/, "the server's certificate is for another name"],
  [/certificate.required|handshake.failure/i, `the server rejected this client; ${NEEDS_CERTIFICATE}`],
];

/** Returns a sentence about a failed call. Connection problems get advice; other errors get their code and message. */
function describeError(reason: unknown, { url, tls }: CallArguments): string {
  const { code, rawMessage, cause } = ConnectError.from(reason);
  const { code: systemError = "", message = "" } = (cause ?? {}) as NodeJS.ErrnoException;
  if (new URL(url).protocol === "https:") {
    const [, sentence] = TLS_PROBLEMS.find(([problem]) => problem.test(`${systemError} ${message}`)) ?? [];
    if (sentence !== undefined) return `call ${url}: ${sentence}`;
    const endedByServer =
      /^(ECONNRESET|EPIPE)$/.test(systemError) || (code === Code.Canceled && /CANCEL/.test(rawMessage));
    const hint = tls.cert === undefined ? NEEDS_CERTIFICATE : "it may not trust the certificate of --cert";
    if (endedByServer) return `call ${url}: the server closed the connection; ${hint}`;
  } else if (systemError === "ERR_HTTP2_ERROR" || rawMessage === "HTTP 400") {
    return `call ${url}: the server does not speak plain HTTP (${rawMessage}); try a URL that begins with https://`;
  }
  if (code === Code.Unavailable && systemError !== "") {
    return `call ${url}: cannot connect (${systemError}); npm start starts a server`;
  }
  return `${codeToString(code)}: ${rawMessage}`;
}

main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
