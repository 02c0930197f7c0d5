/** Calls methods by the tools that users have: grpcurl, buf curl, curl, and the clients of connect-node. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DescMethod, type DescService, fromJson, type JsonValue, type Message, toJson } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { ENVELOPE_PREFIX_BYTES, encodeEnvelope } from "../../../src/server/rpc/envelope.ts";
import { run } from "../../support/command.ts";
import type { MethodCall } from "./calls.ts";

/** Calls a method of the server at this address. Returns the responses. */
export type Caller = (authority: string, call: MethodCall) => Promise<readonly JsonValue[]>;

/** The flag of the last envelope of a stream of Connect, which has no message. */
const END_FLAG = 2;

/** Returns the callers by their names. Programs run in `folder`. */
export function createCallers(folder: string, services: readonly DescService[]): Readonly<Record<string, Caller>> {
  const output = async (command: string, args: readonly string[], input: string): Promise<string> => {
    const { code, stdout, stderr } = await run(command, args, { cwd: folder, input });
    assert.equal(code, 0, `${command} ${args.join(" ")}\n${stdout}${stderr}`);
    return stdout;
  };
  const byBuf =
    (protocol: string): Caller =>
    async (authority, { method, requests }) => {
      const options = ["--http2-prior-knowledge", "--protocol", protocol, "--data", "@-"];
      const args = ["buf", "curl", ...options, `http://${authority}/${method}`];
      return readValues(await output("npx", args, inLines(requests)));
    };
  const byClient =
    (createTransport: (authority: string) => Transport): Caller =>
    (authority, call) =>
      callByClient(createTransport(authority), find(services, call.method), call.requests);
  const options = (authority: string) => ({ baseUrl: `http://${authority}`, httpVersion: "2" }) as const;
  return {
    async grpcurl(authority, { method, requests }) {
      return readValues(await output("grpcurl", ["-plaintext", "-d", "@", authority, method], inLines(requests)));
    },
    "buf curl with gRPC": byBuf("grpc"),
    "buf curl with Connect": byBuf("connect"),
    async curl(authority, { method, kind, requests }) {
      const url = `http://${authority}/${method}`;
      if (kind !== "unary") {
        const temporary = await mkdtemp(join(tmpdir(), "curl-"));
        const file = join(temporary, "responses"); // the responses are not text
        const options = ["-sS", "--http2-prior-knowledge", "-H", "Content-Type: application/connect+json", "-o", file];
        await output("curl", [...options, "--data-binary", "@-", url], inEnvelopes(requests));
        const body = await readFile(file);
        await rm(temporary, { recursive: true });
        return readEnvelopes(body);
      }
      const message = JSON.stringify(requests[0]);
      const post = await output("curl", ["-sS", "-H", "Content-Type: application/json", "-d", message, url], "");
      if (find(services, method).idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS) {
        const query = ["--data", "encoding=json", "--data-urlencode", `message=${message}`];
        assert.equal(await output("curl", ["-sS", "--get", ...query, url], ""), post);
      }
      return [JSON.parse(post)];
    },
    "connect-node with Connect": byClient((authority) => createConnectTransport(options(authority))),
    "connect-node with gRPC": byClient((authority) => createGrpcTransport(options(authority))),
    "connect-node with gRPC-Web": byClient((authority) => createGrpcWebTransport(options(authority))),
  };
}

async function callByClient(
  transport: Transport,
  method: DescMethod,
  requests: readonly JsonValue[],
): Promise<readonly JsonValue[]> {
  const client = createClient(method.parent, transport) as Readonly<Record<string, (input: unknown) => unknown>>;
  const messages = requests.map((request) => fromJson(method.input, request));
  const isStream = method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming";
  const result = client[method.localName]?.(isStream ? toAsync(messages) : messages[0]);
  const responses =
    method.methodKind === "unary" || method.methodKind === "client_streaming"
      ? [(await result) as Message]
      : await Array.fromAsync(result as AsyncIterable<Message>);
  return responses.map((response) => toJson(method.output, response));
}

async function* toAsync<T>(items: readonly T[]): AsyncIterable<T> {
  yield* items;
}

function find(services: readonly DescService[], name: string): DescMethod {
  const [service, method] = name.split("/");
  const found = services.find(({ typeName }) => typeName === service)?.methods.find((each) => each.name === method);
  assert.ok(found, name);
  return found;
}

function inLines(values: readonly JsonValue[]): string {
  return values.map((value) => JSON.stringify(value)).join("\n");
}

/** Reads JSON objects that follow each other. */
function readValues(text: string): JsonValue[] {
  return JSON.parse(`[${text.trim().replaceAll(/\}\s*\n\s*\{/g, "},{")}]`);
}

/** Returns a body of Connect's streams as text, in which the length of a message must be an ASCII character. */
function inEnvelopes(values: readonly JsonValue[]): string {
  const envelopes = values.map((value) => encodeEnvelope(Buffer.from(JSON.stringify(value)), 0));
  for (const envelope of envelopes) assert.ok(envelope.length < 128 + ENVELOPE_PREFIX_BYTES);
  return Buffer.concat(envelopes).toString("latin1");
}

/** Returns the messages in a body of Connect's streams. Throws if the call ended with an error. */
function readEnvelopes(body: Buffer): JsonValue[] {
  const values: JsonValue[] = [];
  for (let at = 0; at < body.length; ) {
    const end = at + ENVELOPE_PREFIX_BYTES + body.readUInt32BE(at + 1);
    const value = JSON.parse(body.toString("utf8", at + ENVELOPE_PREFIX_BYTES, end));
    if (body[at] === END_FLAG) assert.deepEqual(value, {});
    else values.push(value);
    at = end;
  }
  return values;
}
