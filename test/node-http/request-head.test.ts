/** Tests that the heads of different requests, which share equal fields, are right. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, request } from "node:http";
import { connect, createServer as createHttp2Server } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { type TestContext, test } from "node:test";
import type { RequestHead } from "../../src/server/http/exchange.ts";
import { NodeRequestHeads } from "../../src/server/node-http/request-head.ts";

/** Header fields of successive requests: equal, with another value, at another place, fewer, more, and repeated. */
const REQUESTS: readonly (readonly [name: string, value: string])[][] = [
  [
    ["X-First", "1"],
    ["X-Second", "2"],
  ],
  [
    ["X-First", "1"],
    ["X-Second", "2"],
  ],
  [
    ["X-First", "1"],
    ["X-Second", "3"],
  ],
  [
    ["X-Second", "3"],
    ["X-First", "1"],
  ],
  [
    ["x-second", "3"],
    ["X-First", "1"],
  ],
  [["X-First", "1"]],
  [
    ["X-First", "1"],
    ["X-First", "2"],
    ["X-Second", "2"],
    ["X-Third", ""],
  ],
  [
    ["X-Second", "2"],
    ["X-Third", ""],
    ["X-First", "2"],
    ["X-First", "1"],
  ],
];

/** Compares the head of each request with the head from an object that has seen no other request. */
async function startServer(t: TestContext, create: (listener: (req: never, res: never) => void) => Server) {
  const heads = new NodeRequestHeads();
  const seen: [RequestHead, RequestHead][] = [];
  const server = create((req: IncomingMessage, res: { end(): void }) => {
    seen.push([heads.of(req, false), new NodeRequestHeads().of(req, false)]);
    res.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return { seen, port: (server.address() as AddressInfo).port };
}

test("heads over HTTP/1.1 that share fields with the head before are those of their requests", async (t) => {
  const { seen, port } = await startServer(t, (listener) => createServer(listener as never));
  for (const fields of [...REQUESTS, ...REQUESTS.toReversed()]) {
    const headers = ["Host", "localhost", ...fields.flat()];
    const [response] = await once(request({ port, host: "127.0.0.1", headers: headers as never }).end(), "response");
    response.resume();
  }
  assert.equal(seen.length, 2 * REQUESTS.length);
  for (const [head, expected] of seen) assert.deepEqual(head, expected);
  assert.equal(seen[1]?.[0], seen[0]?.[0]);
  assert.equal(seen[2]?.[0].fields[1], seen[1]?.[0].fields[1]); // shared
});

test("heads over HTTP/2 that share fields with the head before are those of their requests", async (t) => {
  const { seen, port } = await startServer(t, (listener) => createHttp2Server(listener as never));
  const session = connect(`http://127.0.0.1:${port}`);
  t.after(() => session.destroy());
  for (const path of ["/one", "/two", "/two"]) {
    const names = path === "/one" ? { "x-first": "1", "x-second": "2" } : { "x-first": "1", "x-third": "3" };
    await once(session.request({ ":path": path, ...names }).resume(), "end");
  }
  for (const [head, expected] of seen) assert.deepEqual(head, expected);
  assert.deepEqual(
    seen.map(([{ path, fields }]) => [path, fields.length]),
    [
      ["/one", 2],
      ["/two", 2],
      ["/two", 2],
    ],
  );
});
