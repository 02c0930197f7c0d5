/**
 * Fuzzes calls in every protocol over both HTTP versions. The responses with and without the fast path must be equal
 * and not an internal error, and the next good call must succeed.
 */
import assert from "node:assert/strict";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { CELLS, type Cell, envelope, isGrpc, makeRequest, readResponse } from "../../support/cells.ts";
import { type HttpRequest, type HttpResponse, send } from "../../support/http.ts";
import { lasting } from "../../support/lasting.ts";
import type { Random } from "../../support/random.ts";
import type { Target } from "./run.ts";
import { startFuzzed } from "./server.ts";

const METHODS = ["Say", "Say", "Say", "Say", "Repeat", "Join", "Chat", "Nope"];
const ENCODINGS = ["gzip", "br", "identity", "zstd", "", "GZIP", "gzip, br"];
/** Timeouts, valid and invalid. None is short enough to end a call. */
const TIMEOUTS = ["60S", "60000", "100000000S", "1x", "-1", "1.5", "", " 1S", "1e9", "H", "99999999999"];
const TYPES = [
  "",
  "*/*",
  "application/",
  "application/grpc",
  "application/grpc-web-text",
  "application/connect+proto",
  "text/plain",
];

/** Returns a message in the codec of the cell, valid or not. */
function message(random: Random, { codec }: Cell): Buffer {
  const text = random.text(random.pick([0, 1, 30, 300, 70_000]));
  switch (random.below(6)) {
    case 0:
      return random.bytes(random.below(40));
    case 1: {
      const deep = random.below(3_000);
      return codec === "json"
        ? Buffer.from(`{"x":${"[".repeat(deep)}${"]".repeat(deep)}}`)
        : Buffer.concat([Buffer.alloc(deep, 0x1b), Buffer.alloc(deep, 0x1c)]);
    }
    case 2:
      return mutate(random, valid(codec, text));
    default:
      return valid(codec, text);
  }
}

function valid(codec: Cell["codec"], text: string): Buffer {
  if (codec === "json") return Buffer.from(JSON.stringify(text));
  const length = Buffer.byteLength(text);
  const varint = length < 0x80 ? [length] : [(length & 0x7f) | 0x80, (length >> 7) & 0x7f];
  if (length >= 0x4000) varint.splice(1, 1, ((length >> 7) & 0x7f) | 0x80, length >> 14);
  return Buffer.concat([Buffer.of(0x0a, ...varint), Buffer.from(text)]);
}

function mutate(random: Random, bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  for (let i = random.below(3); i > 0 && changed.length > 0; i--)
    changed[random.below(changed.length)] = random.below(256);
  return changed.subarray(0, random.chance(2) ? changed.length : random.below(changed.length + 1));
}

function compress(random: Random, bytes: Buffer, encoding: string | undefined): Buffer {
  if (encoding === undefined || random.chance(8)) return bytes;
  const compressed = encoding === "gzip" ? gzipSync(bytes) : encoding === "br" ? brotliCompressSync(bytes) : bytes;
  return random.chance(4) ? mutate(random, compressed) : compressed;
}

/** Returns a body of envelopes, which may have wrong flags and lengths. */
function envelopes(random: Random, cell: Cell, encoding: string | undefined): Buffer {
  const parts: Buffer[] = [];
  for (let i = random.below(4); i > 0; i--) {
    const flags = random.chance(4) ? random.below(256) : encoding === undefined ? 0 : 1;
    const part = envelope(compress(random, message(random, cell), encoding), flags);
    if (random.chance(6)) part.writeUInt32BE(random.pick([0, 1, 65_537, 0xffff_ffff]), 1);
    parts.push(part);
  }
  return mutate(random, Buffer.concat(parts));
}

function randomCall(random: Random, cell: Cell): HttpRequest {
  const encoding = random.chance(3) ? random.pick(ENCODINGS) : undefined;
  const request = makeRequest(cell, {
    path: `/fixture.Echo/${random.pick(METHODS)}`,
    message: random.chance(10) ? undefined : compress(random, message(random, cell), encoding),
    encoding,
    acceptEncoding: random.chance(3) ? random.pick(ENCODINGS) : undefined,
    timeout: random.chance(3) ? random.pick(TIMEOUTS) : undefined,
  });
  const headers: Record<string, string> = { ...request.headers };
  if (random.chance(6)) headers["content-type"] = random.pick([...TYPES, `${headers["content-type"]};charset=utf-8`]);
  if (random.chance(8)) delete headers[random.pick(Object.keys(headers))];
  const { path } = request;
  if (cell.protocol === "Connect GET")
    return { ...request, headers, path: random.chance(2) ? path : query(random, path) };
  const body = isGrpc(cell) && random.chance(2) ? envelopes(random, cell, encoding) : (request.body as Buffer);
  const method = random.chance(20) ? random.pick(["GET", "PUT", "OPTIONS", "HEAD"]) : "POST";
  if (method !== "POST") return { method, path, headers };
  return { path, headers, body: random.chance(3) ? random.pieces(Buffer.from(body)).slice(0, 100) : body };
}

/** Returns the path with a changed query: parts are missing, repeated or invalid. */
function query(random: Random, path: string): string {
  const [before = "", ...rest] = path.split("?");
  const parts = rest.join("?").split("&");
  for (let i = random.below(3); i > 0; i--) parts.splice(random.below(parts.length + 1), random.below(2));
  for (let i = random.below(3); i > 0; i--) {
    const part = random.pick([
      "base64=1",
      "base64=0",
      "connect=v2",
      "encoding=xml",
      "compression=gzip",
      "message=%zz",
      "message=%ff",
      "message=",
      `message=${random.word(4)}`,
      "=",
      "&&",
      "?",
    ]);
    parts.splice(random.below(parts.length + 1), 0, part);
  }
  return `${before}?${parts.join("&")}`;
}

/** Returns the response, or the error without one. */
async function answerOf(cell: Cell, authority: string, request: HttpRequest): Promise<HttpResponse | string> {
  try {
    return await send(cell.http, authority, request);
  } catch (error) {
    return `no response: ${(error as NodeJS.ErrnoException).code}`;
  }
}

/** Mistakes of callers that have the code `internal`. */
const CALLERS_INTERNAL = [
  // gRPC, compression.md: "must fail with INTERNAL".
  /^received compressed envelope, but do not know how to decompress$/,
];

/** Fails if the response is an error of the server itself. */
function checkAnswer(cell: Cell, answer: HttpResponse): void {
  const { code, message } = readResponse(cell, answer);
  if (code !== "internal" && code !== "unknown" && answer.status !== 500) return;
  assert.ok(
    CALLERS_INTERNAL.some((pattern) => pattern.test(message)),
    `${answer.status} ${code}: ${message}`,
  );
}

export const calls: Target = {
  name: "calls",
  async start() {
    const fastPath = await startFuzzed(true);
    const noFastPath = await startFuzzed(false);
    return {
      async attempt(random) {
        const cell = random.pick(CELLS);
        const request = randomCall(random, cell);
        const answer = await answerOf(cell, fastPath.authority, request);
        const other = await answerOf(cell, noFastPath.authority, request);
        if (typeof answer === "string" || typeof other === "string") assert.equal(answer, other);
        else {
          if (request.method !== "HEAD") checkAnswer(cell, answer);
          assert.deepEqual(lasting(answer), lasting(other));
        }
        await fastPath.check();
        await noFastPath.check();
      },
      async end() {
        await fastPath.close();
        await noFastPath.close();
      },
    };
  },
};
