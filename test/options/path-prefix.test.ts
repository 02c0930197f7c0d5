/** The option requestPathPrefix: services of the routes below a path, health and reflection at the root. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { Health } from "../../gen/health/v1/health_pb.ts";
import { createServer } from "../../src/server/server.ts";
import { callRoutes } from "../support/call-service.ts";
import { CELLS, callIn } from "../support/cells.ts";
import { Echo, echoRoutes } from "../support/protos.ts";
import { startServer } from "../support/server.ts";

const SUM = { proto: Buffer.from("\x08\x01\x10\x02"), json: Buffer.from('{"a":1,"b":2}') };

for (const fastPath of [true, false]) {
  const way = fastPath ? "with the fast path" : "without the fast path";

  for (const requestPathPrefix of ["", "/api", "/v1/rpc", "/a%20b/.c/~d"]) {
    test(`calls of every protocol are served below "${requestPathPrefix}" and only there, ${way}`, async (t) => {
      const { authority } = await startServer(t, { fastPath, requestPathPrefix });
      const elsewhere = requestPathPrefix === "" ? "/api" : "";
      for (const cell of CELLS) {
        const message = SUM[cell.codec];
        const call = (prefix: string) =>
          callIn(cell, authority, { path: `${prefix}/calls.v1.CallService/Add`, message });
        assert.equal((await call(requestPathPrefix)).code, "ok", cell.name);
        const { code, message: problem } = await call(elsewhere);
        assert.equal(code, "unimplemented", cell.name);
        const served = requestPathPrefix === "" ? "calls.v1" : `${requestPathPrefix}/calls.v1`;
        assert.match(
          problem,
          new RegExp(`no such service; served are ${served}\\.CallService, grpc\\.health`),
          cell.name,
        );
      }
    });
  }

  test(`an unknown method below the prefix is unimplemented, and the error names those of its service, ${way}`, async (t) => {
    const { authority } = await startServer(t, { fastPath, requestPathPrefix: "/api" });
    for (const cell of CELLS) {
      const path = "/api/calls.v1.CallService/Nope";
      const { code, message } = await callIn(cell, authority, { path, message: SUM[cell.codec] });
      assert.equal(code, "unimplemented", cell.name);
      assert.equal(message, `call "${path}": no such method; calls.v1.CallService has Add, Record`);
    }
  });

  test(`streams are served below the prefix, health and reflection at the root, ${way}`, async (t) => {
    const routes = echoRoutes({
      async *repeat(request) {
        yield request;
      },
    });
    const { url } = await startServer(t, { fastPath, requestPathPrefix: "/api", routes });
    const echo = createClient(Echo, createConnectTransport({ baseUrl: `${url}/api`, httpVersion: "2" }));
    assert.equal((await Array.fromAsync(echo.repeat({ value: "x" }))).length, 1);
    const root = createGrpcTransport({ baseUrl: url });
    assert.equal((await createClient(Health, root).check({ service: "fixture.Echo" })).status, 1);
    const request = (async function* () {
      yield { messageRequest: { case: "listServices" as const, value: "" } };
    })();
    const [response] = await Array.fromAsync(createClient(ServerReflection, root).serverReflectionInfo(request));
    assert.equal(response?.messageResponse.case, "listServicesResponse");
    const below = createGrpcTransport({ baseUrl: `${url}/api` });
    await assert.rejects(createClient(Health, below).check({}), { code: Code.Unimplemented });
  });
}

test("the home page has the commands that work below the prefix", async (t) => {
  const { url } = await startServer(t, { requestPathPrefix: "/api" });
  const text = await (await fetch(`${url}/`)).text();
  assert.match(text, new RegExp(`curl .*${url}/api/calls\\.v1\\.CallService/Add`));
  assert.doesNotMatch(text, /grpcurl|buf curl/);
});

for (const requestPathPrefix of [
  "api",
  "/api/",
  "/",
  "/a?b",
  "/a#b",
  "//",
  1,
  "/a b",
  "/ü",
  "/a/../b",
  "/.",
  "/%",
  "/a\0",
]) {
  test(`the prefix ${JSON.stringify(requestPathPrefix)} is refused`, () => {
    assert.throws(() => createServer({ routes: callRoutes, requestPathPrefix: requestPathPrefix as string }), {
      name: "TypeError",
      message:
        /^createServer: requestPathPrefix .* must be a path like "\/api", which begins with "\/" and does not end/,
    });
  });
}
