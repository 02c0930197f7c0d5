/** Random calls of the handler that runs scripts. */
import { brotliCompressSync, gzipSync } from "node:zlib";
import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import { type Cell, makeRequest } from "./cells.ts";
import type { HttpRequest } from "./http.ts";
import type { Random } from "./random.ts";
import { randomScript } from "./scripted.ts";

/** Returns a valid call of Say with a random script. */
export function randomRequest(random: Random, cell: Cell): HttpRequest {
  const message = create(StringValueSchema, { value: JSON.stringify(randomScript(random)) });
  const bytes =
    cell.codec === "proto"
      ? toBinary(StringValueSchema, message)
      : Buffer.from(toJsonString(StringValueSchema, message));
  const encoding = random.chance(4) ? random.pick(["gzip", "br", "identity"]) : undefined;
  const compressed = encoding === "gzip" ? gzipSync(bytes) : encoding === "br" ? brotliCompressSync(bytes) : bytes;
  const request = makeRequest(cell, {
    path: "/fixture.Echo/Say",
    message: compressed,
    encoding: encoding === "identity" ? undefined : encoding,
    acceptEncoding: random.pick([undefined, undefined, "gzip", "br, gzip", "identity", "zstd"]),
    timeout: random.chance(3) ? (cell.protocol.startsWith("gRPC") ? "60S" : "60000") : undefined,
  });
  const headers = { ...request.headers, ...(random.chance(2) && { "x-request": random.text(8).trim() }) };
  if (request.body === undefined || !random.chance(3)) return { ...request, headers };
  return { ...request, headers, body: random.pieces(request.body as Buffer) };
}
