/** The options health, reflection and homePage: what a server adds to the services of the routes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { Health } from "../../gen/health/v1/health_pb.ts";
import { createServer } from "../../src/server/server.ts";
import { HealthStatus } from "../../src/server/services/health-status.ts";
import { CallService } from "../gen/calls/v1/calls_pb.ts";
import { callRoutes } from "../support/call-service.ts";
import { ENV, run } from "../support/command.ts";
import { startMain, startProcess } from "../support/process.ts";
import { startServer } from "../support/server.ts";

const V1 = ServerReflection.typeName;
const V1ALPHA = ServerReflectionAlpha.typeName;

for (const [reflection, served] of [
  [true, [V1, V1ALPHA]],
  ["v1", [V1]],
  ["v1alpha", [V1ALPHA]],
  [false, []],
] as const) {
  test(`with reflection ${reflection}, the versions served are: ${served.join(", ") || "none"}`, async (t) => {
    const { url, server } = await startServer(t, { reflection });
    const transport = createGrpcTransport({ baseUrl: url });
    for (const service of [ServerReflection, ServerReflectionAlpha as unknown as typeof ServerReflection]) {
      const answers = Array.fromAsync(createClient(service, transport).serverReflectionInfo(listServices()));
      if ((served as readonly string[]).includes(service.typeName)) assert.equal((await answers).length, 1);
      else await assert.rejects(answers, { code: Code.Unimplemented });
    }
    const names = server.services.map(({ typeName }) => typeName);
    assert.deepEqual(
      names.filter((name) => name.startsWith("grpc.reflection")),
      served,
    );
  });
}

async function* listServices() {
  yield { messageRequest: { case: "listServices" as const, value: "" } };
}

for (const health of [true, false]) {
  test(`with health ${health}, the service and /healthz are ${health ? "served" : "unknown"}`, async (t) => {
    const { url } = await startServer(t, { health });
    const check = createClient(Health, createGrpcTransport({ baseUrl: url })).check({});
    if (health) assert.equal((await check).status, 1);
    else await assert.rejects(check, { code: Code.Unimplemented });
    assert.equal((await fetch(`${url}/healthz`)).status, health ? 200 : 404);
  });
}

for (const fastPath of [true, false]) {
  for (const interceptHealth of [true, false]) {
    const way = `${interceptHealth ? "runs" : "does not run"} for health with interceptHealth ${interceptHealth}`;
    test(`the request gate of the server ${way}, ${fastPath ? "with" : "without"} the fast path`, async (t) => {
      const { url } = await startServer(t, {
        fastPath,
        interceptHealth,
        requestGate() {
          throw new ConnectError("who?", Code.Unauthenticated);
        },
      });
      const transport = createGrpcTransport({ baseUrl: url });
      await assert.rejects(createClient(CallService, transport).add({}), { code: Code.Unauthenticated });
      const check = createClient(Health, transport).check({});
      if (interceptHealth) await assert.rejects(check, { code: Code.Unauthenticated });
      else assert.equal((await check).status, 1);
    });
  }
}

for (const protocol of ["grpc", "grpcWeb", "connect"] as const) {
  test(`with ${protocol} false, health and reflection are served by the other protocols only`, async (t) => {
    const { url: baseUrl } = await startServer(t, { [protocol]: false });
    const transports = {
      grpc: createGrpcTransport({ baseUrl }),
      grpcWeb: createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
      connect: createConnectTransport({ baseUrl, httpVersion: "2" }),
    };
    for (const [name, transport] of Object.entries(transports)) {
      const check = createClient(Health, transport).check({});
      const reflection = Array.fromAsync(
        createClient(ServerReflection, transport).serverReflectionInfo(listServices()),
      );
      const results = await Promise.allSettled([check, reflection]);
      const expected = name === protocol ? "rejected" : "fulfilled";
      assert.deepEqual(
        results.map(({ status }) => status),
        [expected, expected],
        name,
      );
    }
  });
}

test("a HealthStatus of the application is served, keeps its values, and shuts down with the server", async (t) => {
  const health = new HealthStatus();
  health.set("calls.v1.CallService", "not-serving");
  health.set("a database", "not-serving");
  const { url, server } = await startServer(t, { health });
  assert.equal(server.health, health);
  const client = createClient(Health, createGrpcTransport({ baseUrl: url }));
  assert.equal((await client.check({})).status, 1);
  assert.equal((await client.check({ service: "calls.v1.CallService" })).status, 2);
  assert.equal((await client.check({ service: "a database" })).status, 2);
  health.set("a database", "serving");
  assert.equal((await client.check({ service: "a database" })).status, 1);
  await server.close({ delayMs: 0, idleMs: 0 });
  assert.equal(health.get("a database"), "not-serving");
});

for (const homePage of [true, false, undefined]) {
  test(`with homePage ${homePage}, "/" is ${homePage ? "the text" : "an unknown path"}`, async (t) => {
    const { url } = await startServer(t, { homePage: homePage as boolean });
    const response = await fetch(`${url}/`);
    assert.equal(response.status, homePage ? 200 : 404);
    assert.equal((await response.text()).includes("Call one:"), homePage === true);
  });
}

for (const reflection of [true, false]) {
  test(`the commands at "/" ${reflection ? "get" : "bring"} the schema with reflection ${reflection}`, async (t) => {
    const { url } = await startServer(t, { reflection });
    const text = await (await fetch(`${url}/`)).text();
    assert.equal(/grpcurl .*-import-path DIR/.test(text), !reflection);
    assert.equal(/buf curl .*--schema DIR/.test(text), !reflection);
  });
}

test("two servers in one process do not share services, health, limits or log", async (t) => {
  const one = await startServer(t, { health: true, limits: { messageBytes: 10 } });
  const other = await startServer(t, { reflection: false });
  one.server.health.set("", "not-serving");
  assert.deepEqual([one.server.health.get(""), other.server.health.get("")], ["not-serving", "serving"]);
  assert.equal(one.server.services.length - other.server.services.length, 2);
  const body = JSON.stringify({ a: 1, b: 2 });
  const call = ({ url }: { url: string }) =>
    fetch(`${url}/calls.v1.CallService/Add`, { method: "POST", body, headers: { "content-type": "application/json" } });
  assert.deepEqual([(await call(one)).status, (await call(other)).status], [429, 200]);
  await one.server.close({ delayMs: 0, idleMs: 0 });
  assert.equal((await call(other)).status, 200);
  assert.equal(one.limits.splice(0).length, 1);
});

for (const [flags, path, status] of [
  [["--home-page", "off"], "/", 404],
  [["--no-home-page"], "/", 404],
  [["--health", "off"], "/healthz", 404],
  [["--no-health"], "/healthz", 404],
  [["--reflection", "v1"], "/healthz", 200],
  [[], "/", 200],
] as const) {
  test(`the program serves ${path} with status ${status} with the flags ${JSON.stringify(flags)}`, async (t) => {
    const { authority } = await startMain(t, "--page", "off", ...flags);
    assert.equal((await fetch(`http://${authority}${path}`)).status, status);
    const transport = createGrpcTransport({ baseUrl: `http://${authority}` });
    const alpha = createClient(ServerReflectionAlpha, transport).serverReflectionInfo(listServices());
    if ((flags as readonly string[]).includes("v1"))
      await assert.rejects(Array.fromAsync(alpha), { code: Code.Unimplemented });
    else assert.equal((await Array.fromAsync(alpha)).length, 1);
  });
}

const WITH_FALLBACK = "test/support/main-with-fallback.ts";

for (const [flags, text] of [
  [[], /^the application$/],
  [["--home-page", "on"], /^These services answer/],
] as const) {
  test(`a program with a fallback serves "/" by ${text} with the flags ${JSON.stringify(flags)}`, async (t) => {
    const { authority } = await startProcess(t, "node", WITH_FALLBACK, "--port", "0", ...flags);
    assert.match(await (await fetch(`http://${authority}/`)).text(), text);
    assert.equal(await (await fetch(`http://${authority}/about`)).text(), "the application");
  });
}

for (const [flags, status] of [
  [[], 503],
  [["--health", "off"], 200],
] as const) {
  test(`a program serves its own health status, or the fallback, with the flags ${JSON.stringify(flags)}`, async (t) => {
    const { authority } = await startProcess(t, "node", WITH_FALLBACK, "--port", "0", ...flags);
    const response = await fetch(`http://${authority}/healthz`);
    assert.deepEqual(
      [response.status, await response.text()],
      status === 503 ? [503, "not serving\n"] : [200, "the application"],
    );
  });
}

test("a program without a page does not have the flag --page, nor its variable", async () => {
  const { stdout } = await run("node", [WITH_FALLBACK, "--help"]);
  assert.doesNotMatch(stdout, /--page /);
  for (const flag of ["--page", "--no-page"]) {
    const { code, stderr } = await run("node", [WITH_FALLBACK, flag], { env: { ...ENV, PAGE: "what?" } });
    assert.deepEqual([code, stderr], [2, `${flag}: unknown flag; see --help\n`]);
  }
});

for (const [script, usage] of [
  [undefined, "node main-with-fallback.ts"],
  ["start", "npm start --"],
  ["dev", "npm run dev --"],
] as const) {
  test(`--help of a program that npm runs by the script ${script} begins with "usage: ${usage}"`, async () => {
    const env = { ...ENV, npm_lifecycle_event: script };
    const { stdout } = await run("node", [WITH_FALLBACK, "--help"], { env });
    assert.equal(stdout.split("\n")[0], `usage: ${usage} [flags]`);
  });
}

test("createServer with neither health nor reflection serves the routes alone", () => {
  const { services } = createServer({ routes: callRoutes, health: false, reflection: false });
  assert.deepEqual(
    services.map(({ typeName }) => typeName),
    ["calls.v1.CallService"],
  );
});
