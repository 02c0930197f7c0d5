/** A caller's message has a limit, before and after decompression: what is over it costs no more than what is at it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { CELLS, type Cell, callIn } from "./support/cells.ts";
import { startServer } from "./support/server.ts";

const LIMIT = 65_536;
const PATH = "/test.Test/GetSum";

for (const cell of CELLS) {
  for (const [encoding, compress] of [
    [undefined, (bytes: Buffer) => bytes],
    ["gzip", gzipSync],
    ["br", brotliCompressSync],
  ] as const) {
    // A query is part of a head, which has a smaller limit of its own.
    if (cell.protocol === "Connect GET" && encoding === undefined) continue;
    const what = `${encoding ?? "plain"} message in ${cell.name}`;

    test(`a ${what} passes at messageBytes, and is resource_exhausted over it`, async (t) => {
      const { authority } = await startServer(t);
      const call = (size: number) =>
        callIn(cell, authority, { path: PATH, message: compress(messageOf(cell, size)), encoding });
      assert.equal((await call(LIMIT)).code, "ok");
      assert.equal((await call(LIMIT + 1)).code, "resource_exhausted");
      assert.equal((await call(LIMIT * 20)).code, "resource_exhausted");
    });

    test(`a ${what} passes at any size without messageBytes`, async (t) => {
      const { authority } = await startServer(t, { limits: { messageBytes: Number.POSITIVE_INFINITY } });
      const message = compress(messageOf(cell, LIMIT * 20));
      assert.equal((await callIn(cell, authority, { path: PATH, message, encoding })).code, "ok");
    });
  }
}

/** A valid message of so many bytes: spaces, or a field that is not known. */
function messageOf({ codec }: Cell, size: number): Buffer {
  if (codec === "json") return Buffer.from(`{}${" ".repeat(size - 2)}`);
  const length = size - 4; // after a tag and three bytes of length
  const varint = [(length & 0x7f) | 0x80, ((length >> 7) & 0x7f) | 0x80, length >> 14];
  return Buffer.concat([Buffer.from([0x1a, ...varint]), Buffer.alloc(length)]);
}
