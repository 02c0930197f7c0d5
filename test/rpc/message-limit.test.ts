/** The limit on request messages, before and after decompression. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { CELLS, type Cell, callIn } from "../support/cells.ts";
import { echoRoutes } from "../support/protos.ts";
import { startServer } from "../support/server.ts";

const DEFAULT_LIMIT = 4_194_304;
const LIMIT = 65_536;
const limits = { messageBytes: LIMIT };
const PATH = "/calls.v1.CallService/Add";

for (const cell of CELLS) {
  for (const [encoding, compress] of [
    [undefined, (bytes: Buffer) => bytes],
    ["gzip", gzipSync],
    ["br", brotliCompressSync],
  ] as const) {
    // The query is a part of the header, which has a smaller limit.
    if (cell.protocol === "Connect GET" && encoding === undefined) continue;
    const what = `${encoding ?? "plain"} message in ${cell.name}`;
    const compressed = (size: number) => ({ path: PATH, message: compress(messageOf(cell, size)), encoding });

    test(`a ${what} passes at messageBytes, and above it the error names its size and the limit`, async (t) => {
      for (const fastPath of [true, false]) {
        const server = await startServer(t, { limits, fastPath });
        const call = (size: number) => callIn(cell, server.authority, compressed(size));
        assert.equal((await call(LIMIT)).code, "ok");
        for (const size of [LIMIT + 1, LIMIT * 20]) {
          const { code, message } = await call(size);
          const expected =
            encoding === undefined
              ? `message${isLengthKnown(cell) ? ` of ${size} bytes` : ""} exceeds ${LIMIT} bytes`
              : `decompressed message exceeds ${LIMIT} bytes`;
          assert.deepEqual({ code, message }, { code: "resource_exhausted", message: expected });
        }
        const logged = `^limit messageBytes: call ${PATH}: .*message.* exceeds ${LIMIT} bytes$`; // one a second
        assert.match(server.limits.join(), new RegExp(logged));
      }
    });

    test(`a ${what} passes at any size without messageBytes`, async (t) => {
      const { authority } = await startServer(t, { limits: { messageBytes: Number.POSITIVE_INFINITY } });
      assert.equal((await callIn(cell, authority, compressed(LIMIT * 20))).code, "ok");
    });

    test(`a ${what} passes at the default limit of 4 MiB, and not above it`, async (t) => {
      if (cell.codec === "json" && cell.protocol === "Connect GET" && encoding === "gzip") return; // the query is too long
      const { authority } = await startServer(t);
      assert.equal((await callIn(cell, authority, compressed(DEFAULT_LIMIT))).code, "ok");
      assert.equal((await callIn(cell, authority, compressed(DEFAULT_LIMIT + 1))).code, "resource_exhausted");
    });
  }

  if (cell.protocol === "Connect GET") continue;
  test(`a response above a registration's writeMaxBytes is reported as a response message in ${cell.name}`, async (t) => {
    // Without the fast path, Connect writes this gRPC error, and the server cannot change its text.
    for (const fastPath of cell.protocol === "Connect" ? [true, false] : [true]) {
      const routes = echoRoutes({ say: (request) => request }, { writeMaxBytes: 100 });
      const { authority } = await startServer(t, { fastPath, routes });
      const text = "x".repeat(200);
      const message = Buffer.from(cell.codec === "json" ? JSON.stringify(text) : `\x0a\xc8\x01${text}`, "latin1");
      const { code, message: told } = await callIn(cell, authority, { path: "/fixture.Echo/Say", message });
      const expected = `response message of ${message.length} bytes exceeds 100 bytes`;
      assert.deepEqual({ code, told }, { code: "resource_exhausted", told: expected });
    }
  });
}

for (const http of ["HTTP/1.1", "HTTP/2"] as const) {
  test(`an error about a message above messageBytes is the same in a stream as in a unary call, over ${http}`, async (t) => {
    const routes = echoRoutes({
      async join(requests) {
        for await (const _ of requests);
        return { value: "" };
      },
    });
    const { authority } = await startServer(t, { limits, routes });
    const cell = CELLS.find((each) => each.http === http && each.protocol === "gRPC-Web" && each.codec === "json");
    const join = (message: Buffer, encoding?: string) =>
      callIn(cell as Cell, authority, { path: "/fixture.Echo/Join", message, encoding });
    const large = Buffer.from(JSON.stringify("x".repeat(LIMIT)));
    const plain = await join(large);
    assert.equal(plain.message, `message of ${large.length} bytes exceeds ${LIMIT} bytes`);
    const compressed = await join(gzipSync(large), "gzip");
    assert.equal(compressed.message, `decompressed message exceeds ${LIMIT} bytes`);
    assert.deepEqual([plain.code, compressed.code], ["resource_exhausted", "resource_exhausted"]);
  });
}

/** True if a request declares the length of its message, in an envelope or by content-length (here only HTTP/1.1). */
function isLengthKnown({ protocol, http }: Cell): boolean {
  return protocol !== "Connect" || http === "HTTP/1.1";
}

/** Returns a valid message of `size` bytes: spaces, or an unknown field. */
function messageOf({ codec }: Cell, size: number): Buffer {
  if (codec === "json") return Buffer.from(`{}${" ".repeat(size - 2)}`);
  const length = size - 5; // after a tag and four bytes of length
  const varint = [0, 7, 14].map((shift) => ((length >> shift) & 0x7f) | 0x80);
  return Buffer.concat([Buffer.from([0x1a, ...varint, length >> 21]), Buffer.alloc(length)]);
}
