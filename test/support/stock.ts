/** Serves the same routes with Connect's own adapter, whose responses are compared with those of this server. */
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { brotliDecompressSync } from "node:zlib";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { type Cell, envelope } from "./cells.ts";
import type { HttpVersion } from "./http.ts";
import type { lasting } from "./lasting.ts";

/** Starts Connect's adapter on node:http or node:http2, until the end of the test. Returns "host:port". */
export async function startStock(
  t: TestContext,
  version: HttpVersion,
  options: Parameters<typeof connectNodeAdapter>[0],
): Promise<string> {
  const listener = connectNodeAdapter(options);
  const server = version === "HTTP/2" ? http2.createServer(listener) : http.createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

type Answer = ReturnType<typeof lasting>;

/** The intended differences from Connect's own adapter in responses to valid calls, with reasons. */
const DIFFERENCES: readonly { readonly why: string; readonly undo: (cell: Cell, answer: Answer) => Answer }[] = [
  {
    why: "caches need a validator and Vary, and are told what not to store",
    undo({ protocol }, answer) {
      const { etag, vary, "cache-control": cacheControl, ...headers } = answer.headers;
      return protocol === "Connect GET" ? { ...answer, headers } : answer;
    },
  },
  {
    why: "gRPC does not percent-encode printable ASCII in grpc-message, and not every client would decode it",
    undo(_, answer) {
      const { "grpc-message": message, ...trailers } = answer.trailers;
      if (message === undefined) return answer;
      return { ...answer, trailers: { ...trailers, "grpc-message": decodeURIComponent(String(message)) } };
    },
  },
  {
    why: "a response is compressed with Brotli at quality 4, not 11, which takes twenty times as long",
    undo: (_, answer) => decompressed(answer),
  },
];

/** Decompresses all messages of a response that were compressed with Brotli. */
function decompressed(answer: Answer): Answer {
  const { "content-encoding": encoding, "content-length": length, ...headers } = answer.headers;
  if (encoding === "br") return { ...answer, headers, body: brotliDecompressSync(answer.body) };
  if (headers["grpc-encoding"] !== "br") return answer;
  const envelopes: Buffer[] = [];
  for (let rest = answer.body; rest.length > 0; ) {
    const end = 5 + rest.readUInt32BE(1);
    const flags = rest.readUInt8();
    const data = rest.subarray(5, end);
    envelopes.push((flags & 1) === 1 ? envelope(brotliDecompressSync(data), flags) : envelope(data, flags));
    rest = rest.subarray(end);
  }
  return { ...answer, body: Buffer.concat(envelopes) };
}

/** Returns the response as Connect's own adapter would send it: without the intended differences. */
export function asStock(cell: Cell, answer: Answer): Answer {
  return DIFFERENCES.reduce((undone, { undo }) => undo(cell, undone), answer);
}
