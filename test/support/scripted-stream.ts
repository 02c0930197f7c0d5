/** Streams whose handlers run a script in their first request message, and random requests to them. */
import { setImmediate as turn } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { type StringValue, StringValueSchema } from "@bufbuild/protobuf/wkt";
import type { HandlerContext } from "@connectrpc/connect";
import type { Routes } from "../../src/server/rpc/options.ts";
import { type Cell, envelope, isGrpc, present } from "./cells.ts";
import type { HttpRequest } from "./http.ts";
import { echoRoutes } from "./protos.ts";
import type { Random } from "./random.ts";
import { randomScript, type Script, seen, setFields, throwError } from "./scripted.ts";

interface StreamScript extends Script {
  /** The lengths of the messages to send before any message is read. */
  readonly lengths: readonly number[];
  /** The number of messages after which the handler stops to read; undefined to read all. */
  readonly reads: number | undefined;
  /** True if the handler catches the error of the request, and responds with its text. */
  readonly catches: boolean;
}

const EMPTY: StreamScript = { lengths: [], reads: undefined, catches: false };

async function* run(requests: AsyncIterable<StringValue>, context: HandlerContext) {
  let script = EMPTY;
  let read = 0;
  let error: unknown;
  try {
    for await (const { value } of requests) {
      const parsed = read++ === 0 ? parse(value) : undefined;
      if (parsed !== undefined) {
        script = parsed;
        setFields(script, context);
        if (script.report) yield { value: seen(context) };
        for (const length of script.lengths) {
          yield { value: "x".repeat(length) };
          if (script.async) await turn();
        }
      } else yield { value };
      if (read === script.reads) break;
    }
  } catch (thrown) {
    if (!script.catches) throw thrown;
    error = thrown;
  }
  if (error !== undefined) yield { value: `caught ${error}` };
  throwError(script);
}

/** Returns the script in a message. Returns undefined if a test has changed it, so that it is not JSON. */
function parse(value: string): StreamScript | undefined {
  try {
    return { ...EMPTY, ...JSON.parse(value) };
  } catch {
    return undefined;
  }
}

async function joined(messages: AsyncIterable<{ readonly value: string }>): Promise<{ value: string }> {
  let value = "";
  for await (const message of messages) value += `${message.value}\n`;
  return { value };
}

async function* only(request: StringValue): AsyncIterable<StringValue> {
  yield request;
}

/** Routes of the Echo service, whose streams run scripts. */
export const scriptedStreams: Routes = echoRoutes({
  repeat: (request, context) => run(only(request), context),
  join: (requests, context) => joined(run(requests, context)),
  chat: run,
});

/** Returns a random request to one of the streams. Only a bidirectional stream needs HTTP/2, but all are chosen. */
export function randomStream(random: Random, cell: Cell): HttpRequest {
  const method = random.pick(["Repeat", "Join", "Chat"]);
  const script: StreamScript = {
    ...randomScript(random),
    lengths: Array.from({ length: random.below(6) }, () => random.pick([0, 1, 100, 1023, 1024, 5000, 40_000])),
    reads: random.chance(4) ? 1 + random.below(3) : undefined,
    catches: random.chance(4),
  };
  const texts = Array.from({ length: method === "Repeat" ? 0 : random.below(8) }, () => random.text(random.below(300)));
  const encoding = random.chance(6) ? "gzip" : undefined;
  const messages = [JSON.stringify(script), ...texts.map((text) => `.${text}`)].map((value) => {
    const message = encode(cell, value);
    return encoding !== undefined && random.chance(2) ? envelope(gzipSync(message), 1) : envelope(message);
  });
  const body = Buffer.concat(messages);
  return {
    path: `/fixture.Echo/${method}`,
    headers: { ...headersOf(random, cell, encoding), ...(random.chance(2) && { "x-request": random.text(8).trim() }) },
    body: random.chance(2) ? random.pieces(body).slice(0, 300) : body,
  };
}

function encode({ codec }: Cell, value: string): Buffer {
  const message = create(StringValueSchema, { value });
  return Buffer.from(
    codec === "proto" ? toBinary(StringValueSchema, message) : toJsonString(StringValueSchema, message),
  );
}

function headersOf(random: Random, cell: Cell, encoding: string | undefined): Record<string, string> {
  const { protocol, codec } = cell;
  const type = { gRPC: "grpc", "gRPC-Web": "grpc-web", Connect: "connect", "Connect GET": "" }[protocol];
  const prefix = isGrpc(cell) ? "grpc" : "connect-content";
  return present({
    "content-type": `application/${type}+${codec}`,
    te: protocol === "gRPC" ? "trailers" : undefined,
    [`${prefix}-encoding`]: encoding ?? random.pick([undefined, undefined, "identity"]),
    [isGrpc(cell) ? "grpc-accept-encoding" : "connect-accept-encoding"]: random.pick([
      undefined,
      "gzip",
      "identity,gzip",
    ]),
    [isGrpc(cell) ? "grpc-timeout" : "connect-timeout-ms"]: random.chance(3)
      ? isGrpc(cell)
        ? "60S"
        : "60000"
      : undefined,
  });
}

/** Returns the request with a malformed or unusual body. */
export function malformedStream(random: Random, request: HttpRequest): HttpRequest {
  const body = Buffer.concat([request.body as Uint8Array | readonly Uint8Array[]].flat() as Uint8Array[]);
  const changed = malform(random, body);
  return { ...request, body: random.chance(2) ? random.pieces(changed).slice(0, 300) : changed };
}

function malform(random: Random, body: Buffer): Buffer {
  const starts: number[] = [];
  for (let at = 0; at + 5 <= body.length; at += 5 + body.readUInt32BE(at + 1)) starts.push(at);
  const start = random.pick(starts);
  const bytes = Buffer.from(body);
  switch (random.below(7)) {
    case 0: // incomplete
      return bytes.subarray(0, random.below(bytes.length + 1));
    case 1: // flags: compressed, the end of a stream, or unknown
      bytes[start] = random.pick([1, 2, 3, 4, 0x80]);
      return bytes;
    case 2: // A message that is too large. Connect's reader loses the messages before it that have arrived in the same chunk.
      bytes.writeUInt32BE(random.pick([0xff_ff_ff_ff, 4_194_305]), 1);
      return bytes;
    case 3: // an invalid message
      return Buffer.concat([bytes.subarray(0, start), envelope(random.bytes(8)), bytes.subarray(start)]);
    case 4: // an empty message, which is invalid JSON
      return Buffer.concat([bytes.subarray(0, start), envelope(Buffer.alloc(0)), bytes.subarray(start)]);
    case 5: // no messages, or the messages twice
      return random.chance(2) ? Buffer.alloc(0) : Buffer.concat([bytes, bytes]);
    default: {
      const length = bytes.readUInt32BE(start + 1);
      if (length > 0) bytes[start + 5 + random.below(length)] = random.below(256);
      return bytes;
    }
  }
}
