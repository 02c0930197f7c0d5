/** Tests that common clients get a response that comes before the end of the request. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { SERVER } from "../support/certificates.ts";
import { run } from "../support/command.ts";
import { EARLY_CLIENTS } from "../support/early-clients.ts";
import { findJudge } from "../support/judge.ts";
import { Echo, echoRoutes } from "../support/protos.ts";
import { startServer } from "../support/server.ts";

/** Requests of each case and size. */
const TRIES = 8;
const LARGE = 5_000_000;
const ADD = "/calls.v1.CallService/Add";
const JSON_TYPE = "application/json";

const CASES = [
  { what: "404", path: "/no.Such/Method", method: "POST", contentType: JSON_TYPE, status: "404", least: 0 },
  { what: "405", path: ADD, method: "PUT", contentType: JSON_TYPE, status: "405", least: 0 },
  { what: "415", path: ADD, method: "POST", contentType: "text/plain", status: "415", least: 0 },
  // resource_exhausted in Connect
  { what: "429", path: ADD, method: "POST", contentType: JSON_TYPE, status: "429", least: 65_537 },
] as const;

for (const { name, tls, find } of EARLY_CLIENTS) {
  test(`${name} sees 404, 405, 415 and 429 to requests of 10 bytes to 5 MB`, { timeout: 300_000 }, async (t) => {
    if (process.env.HTTP2 === "node" && name.startsWith("curl over HTTP/2")) {
      t.skip("node:http2 ends some streams that curl stops sending on with PROTOCOL_ERROR");
      return;
    }
    const send = await find(t);
    if (send === undefined) return;
    const { url } = await startServer(t, { ...(tls ? { tls: SERVER } : {}), limits: { messageBytes: 65_536 } });
    for (const { what, path, method, contentType, status, least } of CASES) {
      for (const size of [10, 100_000, LARGE].filter((size) => size >= least)) {
        const outcomes = await send({ url: url + path, method, contentType, size }, TRIES);
        assert.deepEqual(outcomes, Array(TRIES).fill(status), `${what}, ${size} bytes`);
      }
    }
  });
}

test("curl without a content type gets an error that asks for one, over TLS", async (t) => {
  const curl = findJudge(t, "curl");
  if (curl === undefined) return;
  const { url } = await startServer(t, { tls: SERVER });
  for (let i = 0; i < 4 * TRIES; i++) {
    const { code, stdout, stderr } = await run(curl, ["-skSi", "-d", '{"a":1,"b":2}', url + ADD]);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^HTTP\/2 415 /);
  }
});

for (const [name, createTransport] of [
  ["gRPC", createGrpcTransport],
  [
    "Connect",
    (options: Parameters<typeof createGrpcTransport>[0]) => createConnectTransport({ ...options, httpVersion: "2" }),
  ],
] as const) {
  test(`a connection of connect-node stays usable after messages over the limit, by ${name}`, async (t) => {
    const { url: baseUrl } = await startServer(t, {
      routes: echoRoutes({ say: (request) => request }),
      limits: { messageBytes: 65_536 },
    });
    const sessionManager = new Http2SessionManager(baseUrl);
    t.after(() => sessionManager.abort());
    const client = createClient(Echo, createTransport({ baseUrl, sessionManager }));
    const tooLarge = { value: "x".repeat(LARGE) };
    for (let i = 0; i < 3; i++) {
      await assert.rejects(client.say(tooLarge), (error) => ConnectError.from(error).code === Code.ResourceExhausted);
    }
    for (let i = 0; i < 10; i++) {
      const { value } = await client.say({ value: "hello" }, { timeoutMs: 5_000 });
      assert.equal(value, "hello");
    }
  });
}
