/** Tests the load generator: it counts the calls and messages that the server served, and fails if one is wrong. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import type { Interceptor } from "@connectrpc/connect";
import { StreamService } from "../../test/gen/streams/v1/streams_pb.ts";
import { callRoutes } from "../../test/support/call-service.ts";
import { SERVER } from "../../test/support/certificates.ts";
import { absent } from "../../test/support/judge.ts";
import { startServer } from "../../test/support/server.ts";
import { streamRoutes } from "../../test/support/stream-service.ts";
import { type Cell, cell, GRPC, type ProtocolName } from "../cells.ts";
import { load, loadAtRate, loadGenerator, parseLoad } from "../load.ts";
import { Absent } from "../toolchain.ts";

const PROTOCOLS: readonly ProtocolName[] = [
  GRPC,
  "gRPC-Web proto over HTTP/2",
  "Connect proto over HTTP/2",
  "Connect json over HTTP/2",
  "gRPC-Web proto over HTTP/1.1",
  "Connect proto over HTTP/1.1",
  "Connect json over HTTP/1.1",
];

type Options = NonNullable<Parameters<typeof cell>[2]>;

/** Loads, beside the protocol. The largest messages need several frames, and more than the first windows. */
const LOADS: readonly Options[] = [
  { shape: "2x3" },
  { shape: "2x3", heads: "timeout" },
  { shape: "2x3", heads: "trace" },
  ...[1, 100_000].flatMap((size): Options[] => [
    { shape: "2x3", method: "Echo", size },
    ...(["Download", "Upload", "Chat"] as const).map((method) => ({ shape: "2x3", method, size, messages: 7 })),
  ]),
];

// The first build on a machine compiles the packages of Go.
test("the load generator is built with Go", { timeout: 240_000 }, (t) => void isBuilt(t));

test("the load generator counts the calls and messages that the server served", async (t) => {
  if (!isBuilt(t)) return;
  const served = { calls: 0, headers: new Set<string>() };
  const interceptors: Interceptor[] = [
    (next) => (request) => {
      served.calls += 1;
      for (const name of ["grpc-timeout", "connect-timeout-ms", "traceparent", "x-request-id"]) {
        const value = request.header.get(name);
        if (value !== null) served.headers.add(`${name}: ${value}`);
      }
      return next(request);
    },
  ];
  for (const tls of [undefined, SERVER]) {
    const { authority } = await startServer(t, { routes, interceptors, ...(tls && { tls }) });
    for (const each of loads(tls !== undefined)) {
      await t.test(each.load, async () => {
        served.calls = 0;
        served.headers.clear();
        const { calls, messages } = await load(each, authority, 20);
        assert.equal(served.calls, 20);
        assert.deepEqual([calls, messages], [20, 20 * each.messages]);
        const differ = { equal: 0, timeout: 20, trace: 60 }[each.heads];
        assert.equal(served.headers.size, differ);
      });
    }
  }
});

test("the latency at a rate is measured over HTTP/2 and HTTP/1.1", async (t) => {
  if (!isBuilt(t)) return;
  const { authority } = await startServer(t);
  for (const protocol of [GRPC, "Connect json over HTTP/1.1"] as const) {
    const { p50, p99 } = await loadAtRate(cell("this server", protocol), authority, 200, 1);
    assert.ok(p50 > 0 && p50 <= p99, `${p50} ${p99}`);
  }
});

test("a response that is wrong, missing or an error fails the load", async (t) => {
  if (!isBuilt(t)) return;
  const { authority } = await startServer(t, {
    routes(router) {
      router.service(StreamService, {
        echo: ({ data }) => ({ data: data.map((byte) => byte + 1) }),
        async *download({ count, bytes }) {
          for (let i = 1; i < count; i++) yield { data: new Uint8Array(bytes) };
        },
        upload: async () => ({ count: 1, bytes: 1n }),
      });
    },
  });
  for (const protocol of PROTOCOLS) {
    for (const [method, message] of [
      ["Echo", /read a message/],
      ["Download", /6 messages, not 7/],
      ["Upload", /read a message|ended before its request|EPIPE|reset/],
      ["Add", /unimplemented|no such method|status|HTTP\/1.1 404/],
    ] as const) {
      const wrong = cell("this server", protocol, { shape: "1x1", method, size: 10, messages: 7 });
      await assert.rejects(load(wrong, authority, 1), message, wrong.name);
    }
  }
  assert.throws(() => parseLoad('{"calls":2,"messages":2,"seconds":1}', 3), /2 of 3 calls succeeded/);
});

test("the load generator's heads have the bytes of grpc-go's client", { timeout: 240_000 }, async (t) => {
  if (!isBuilt(t)) return;
  const cwd = new URL("../peers/go", import.meta.url);
  await promisify(execFile)("go", ["test", "./load"], { cwd });
});

function* loads(tls: boolean): Generator<Cell> {
  for (const protocol of tls ? ([GRPC, "Connect json over HTTP/1.1"] as const) : PROTOCOLS) {
    for (const options of LOADS) {
      if (options.method === "Chat" && protocol.endsWith("1.1")) continue;
      yield cell("this server", protocol, { ...options, tls });
    }
  }
}

function routes(router: Parameters<typeof callRoutes>[0]): void {
  callRoutes(router);
  streamRoutes(router);
}

function isBuilt(t: TestContext): boolean {
  try {
    loadGenerator("raw");
    return true;
  } catch (error) {
    if (!(error instanceof Absent)) throw error;
    absent(t, error.message);
    return false;
  }
}
