/** Tests that an exporter that fails costs one line of the log and no call, and that traces cost nothing while they are off. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { readConfig } from "../../src/program/config.ts";
import { createTraceLog, LoggingExporter } from "../../src/telemetry/trace-export.ts";
import { ENV, ROOT, run } from "../support/command.ts";
import { MAIN } from "../support/process.ts";
import { freePorts } from "./support/jaeger.ts";
import { callMany, startTraced, TRACED_MAIN } from "./support/traced.ts";

/** The exporter retries after 1 s, unless its timeout ends before that. */
const WITHOUT_RETRY = { OTEL_EXPORTER_OTLP_TIMEOUT: "900" };
const MANIFEST = JSON.parse(readFileSync(join(ROOT, "src/package/package.json"), "utf8"));

// These tests mostly wait.
describe("exporters", { concurrency: 3 }, () => {
  test("a collector that is not there costs one line and no call", async (t) => {
    const [port] = await freePorts(1);
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, ...WITHOUT_RETRY };
    const server = await startTraced(t, env, "--trace-ratio", "1");
    await callMany(server, 500);
    await eventually(() => server.stderr() !== "");
    await callMany(server, 500);
    await sleep(100);
    await server.stop();
    assert.match(
      server.stderr(),
      new RegExp(`^export traces: connect ECONNREFUSED 127\\.0\\.0\\.1:${port}; spans lost: \\d+\n$`),
    );
  });

  test("an exporter that throws costs one line and no call", async (t) => {
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" };
    const env = { OTEL_EXPORTER_OTLP_HEADERS: "a=b%0Ac", ...endpoint, ...WITHOUT_RETRY };
    const server = await startTraced(t, env, "--trace-ratio", "1");
    await callMany(server, 100);
    await eventually(() => server.stderr() !== "");
    await callMany(server, 100);
    await server.stop();
    assert.match(server.stderr(), /^export traces: Invalid character in header content \["a"\]; spans lost: \d+\n$/);
  });

  test("a collector that does not answer delays the shutdown by 2 s, not by its timeout of 60 s, and costs one line", async (t) => {
    const endpoint = await listen(t, () => {});
    const server = await startTraced(
      t,
      { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_TIMEOUT: "60000" },
      "--trace-ratio",
      "1",
    );
    await callMany(server, 1_000);
    await sleep(100);
    const begun = performance.now();
    await server.stop();
    const ms = performance.now() - begun;
    assert.ok(ms < 20_000, `${ms} ms`);
    assert.match(server.stderr(), /^export traces: timed out at the shutdown after 1900 ms; spans lost: 2000\n$/);
  });

  test("spans that are waiting for a collector are bounded", async (t) => {
    const endpoint = await listen(t, () => {});
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_EXPORTER_OTLP_TIMEOUT: "60000",
      OTEL_BSP_MAX_QUEUE_SIZE: "100",
    };
    const server = await startTraced(t, { ...env, OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "10" }, "--trace-ratio", "1");
    await callMany(server, 500);
    await server.stop();
    // 10 are being sent, and 100 are in the queue.
    assert.match(server.stderr(), /spans lost: 110\n$/);
  });

  test("the exporter sends the headers and the path that the variables say", async (t) => {
    let request = "";
    const endpoint = await listen(t, (socket) => {
      socket.on("data", (data) => {
        request += data.toString("latin1");
        socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
      });
    });
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `${endpoint}/base`, OTEL_EXPORTER_OTLP_HEADERS: "api-key=secret" };
    const server = await startTraced(t, env, "--trace-ratio", "1");
    await server.calls.add({});
    await server.stop();
    assert.match(request, /^POST \/base\/v1\/traces HTTP\/1\.1\r\n/);
    assert.match(request, /\r\napi-key: secret\r\n/);
    assert.match(request, /\r\nContent-Type: application\/x-protobuf\r\n/i);
    assert.equal(server.stderr(), "");
  });
});

/** Prints the name of each package of OpenTelemetry but its API when it is loaded, which the test's own handlers import. */
const PRINT_LOADS = `--import data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from "node:module";
  registerHooks({ load(url, context, next) {
    const [, name] = /node_modules\\/(@opentelemetry\\/[^/]+)/.exec(url) ?? [];
    if (name !== undefined && name !== "@opentelemetry/api") console.error(name);
    return next(url, context);
  } });
`)}`;

for (const [flags, isLoaded] of [
  [[], false],
  [["--trace-ratio", "0"], false],
  [["--trace-ratio", "0.000001"], true],
  [["--trace-trust", "on"], true],
] as const) {
  test(`with ${flags.join(" ") || "no flags"}, the packages of OpenTelemetry are ${isLoaded ? "" : "not "}loaded`, async (t) => {
    const server = await startTraced(t, { NODE_OPTIONS: PRINT_LOADS }, ...flags);
    await server.calls.add({});
    await server.stop();
    assert.equal(server.stderr().includes("@opentelemetry/sdk-trace"), isLoaded);
    assert.equal(server.stderr() !== "", isLoaded);
  });
}

for (const [env, message] of [
  [
    { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
    'OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" must be http/protobuf with --trace-ratio',
  ],
  [{ OTEL_TRACES_EXPORTER: "console" }, 'OTEL_TRACES_EXPORTER: "console" must be otlp or none with --trace-ratio'],
  [
    { OTEL_EXPORTER_OTLP_ENDPOINT: "user:secret@collector:4318" },
    "OTEL_EXPORTER_OTLP_ENDPOINT: the value must be a URL that begins with http:// or https://",
  ],
] as const) {
  test(`${Object.keys(env)[0]} is validated at the start`, async () => {
    const args = [TRACED_MAIN, "--port", "0", "--trace-ratio", "1"];
    assert.deepEqual(await run("node", args, { cwd: ROOT, env: { ...ENV, ...env } }), {
      code: 2,
      stdout: "",
      stderr: `${message}\n`,
    });
  });
}

for (const name of ["api", "exporter-trace-otlp-proto"]) {
  test(`without the package ${name}, the start fails with a sentence that names all packages to install`, async () => {
    const hide = `
      import { registerHooks } from "node:module";
      registerHooks({ resolve(name, context, next) {
        if (name !== "@opentelemetry/${name}") return next(name, context);
        throw Object.assign(new Error("Cannot find package '" + name + "'"), { code: "ERR_MODULE_NOT_FOUND" });
      } });
    `;
    const args = [
      "--import",
      `data:text/javascript,${encodeURIComponent(hide)}`,
      MAIN,
      "--port",
      "0",
      "--trace-ratio",
      "1",
    ];
    const peers = Object.keys(MANIFEST.peerDependencies).filter((peer) => peer.startsWith("@opentelemetry/"));
    assert.deepEqual(await run("node", args), {
      code: 2,
      stdout: "",
      stderr: `--trace-ratio: @opentelemetry/${name} is not installed; npm install ${peers.join(" ")}\n`,
    });
  });
}

for (const [text, ratio] of [
  ["0", 0],
  ["1", 1],
  ["0.01", 0.01],
  [".5", 0.5],
] as const) {
  test(`the ratio ${text} is read`, () => {
    assert.equal(readConfig(["--trace-ratio", text], {}).traceRatio, ratio);
    assert.equal(readConfig([], { TRACE_RATIO: text }).traceRatio, ratio);
  });
}

for (const text of ["2", "1.01", "-1", "1e-3", "", "1%", "NaN", "."]) {
  test(`the ratio ${JSON.stringify(text)} is refused`, () => {
    const message = `--trace-ratio: ${JSON.stringify(text)} must be a number from 0 to 1`;
    assert.throws(() => readConfig([`--trace-ratio=${text}`], {}), { message });
  });
}

test("an exception of the exporter is logged once a minute, and is a success for the SDK, which may end the process", () => {
  const lines: string[] = [];
  const log = createTraceLog(({ message }) => lines.push(message));
  const results: unknown[] = [];
  const exporter = new LoggingExporter({ export: fail, shutdown: async () => {} }, log);
  for (let i = 0; i < 3; i++) exporter.export([{}, {}] as ReadableSpan[], (result) => results.push(result));
  assert.deepEqual(lines, ["export traces: exporter failed; spans lost: 2"]);
  assert.deepEqual(results, [{ code: 0 }, { code: 0 }, { code: 0 }]);
  assert.equal(exporter.pendingSpans, 0);

  function fail(): void {
    throw new Error("exporter failed\nand more");
  }
});

/** Listens for connections in place of a collector. Returns the URL. */
async function listen(t: TestContext, onConnection: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onConnection(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function eventually(isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !isTrue(); i++) await sleep(50);
  assert.ok(isTrue());
}
