/** Tests the program that `npm run bundle` builds: one file, run in a folder without packages. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { bundle } from "../../tools/bundle.ts";
import { ENV, ENV_OUTSIDE_NPM, type Result, ROOT, run } from "../support/command.ts";
import { send } from "../support/http.ts";
import { type RunningProcess, startProcessIn } from "../support/process.ts";
import { checkCalls, checkPage } from "./support/served.ts";

const JSON_HEADERS = { "content-type": "application/json" };

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "bundle-"));
  await bundle(folder);
});
after(() => rm(folder, { recursive: true }));

function start(t: TestContext, env: Readonly<Record<string, string>>, ...args: string[]): Promise<RunningProcess> {
  return startProcessIn(t, folder, { ...ENV, ...env }, "node", "server.mjs", "--port", "0", ...args);
}

function runBundle(...args: string[]): Promise<Result> {
  return run("node", ["server.mjs", ...args], { cwd: folder, env: ENV_OUTSIDE_NPM });
}

/** Starts a collector of traces. Returns its URL, and a promise of the first export. */
async function startCollector(t: TestContext): Promise<{ url: string; exported: Promise<string> }> {
  const { promise: exported, resolve } = Promise.withResolvers<string>();
  const collector = createServer(async (request, response) => {
    resolve(`${request.method} ${request.url} ${request.headers["content-type"]}`);
    await request.resume().toArray();
    response.end();
  });
  await once(collector.listen(0, "127.0.0.1"), "listening");
  t.after(() => collector.close());
  return { url: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`, exported };
}

test("the bundle serves all protocols and the page, with metrics, a log in JSON and traces", async (t) => {
  const collector = await startCollector(t);
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: "50" };
  const telemetry = ["--admin-port", "0", "--log-format", "json", "--access-log-ratio", "1", "--trace-ratio", "1"];
  const server = await start(t, env, ...telemetry);
  await checkCalls(server.authority);
  await checkPage(server.authority);
  // Telemetry leaves health out, but not a method that nobody serves.
  const call = { path: "/none.v1.None/None", headers: JSON_HEADERS, body: "{}" };
  assert.equal((await send("HTTP/2", server.authority, call)).status, 404);
  assert.equal(await collector.exported, "POST /v1/traces application/x-protobuf");
  const admin = server.records().find(({ event }) => event === "telemetry_listening")?.message;
  const [, adminUrl = ""] = /(http:\S+)/.exec(admin ?? "") ?? [];
  assert.match(await (await fetch(`${adminUrl}/metrics`)).text(), /^rpc_server_call_duration_seconds_count\{.* 1$/m);
  server.child.kill("SIGTERM");
  assert.equal(await server.exit, 0);
  assert.ok(server.records().some(({ event }) => event === "call"));
});

test("the workers of the bundle serve, are replaced and end", async (t) => {
  const server = await start(t, {}, "--workers", "2");
  await checkCalls(server.authority);
  server.child.kill("SIGUSR2");
  while (!server.stdout().includes("replaced 2 workers"))
    await once(server.child.stdout as NodeJS.EventEmitter, "data");
  await checkCalls(server.authority);
  server.child.kill("SIGTERM");
  assert.equal(await server.exit, 0);
});

test("the bundle prints its texts, and probes itself", async (t) => {
  const { name, version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  assert.equal((await runBundle("--version")).stdout, `${name} ${version} (node ${process.versions.node})\n`);
  assert.match(
    (await runBundle("--help")).stdout,
    /^usage: node server\.mjs \[flags\]\n +node server\.mjs probe --help\n/,
  );
  const { authority } = await start(t, {});
  assert.deepEqual(await runBundle("probe", "--addr", authority), { code: 0, stdout: "status: SERVING\n", stderr: "" });
});

test("an invalid setting of the bundle is one sentence", async () => {
  const { code, stderr } = await runBundle("--port", "x");
  assert.equal(code, 2);
  assert.match(stderr, /^[^\n]*--port: "x" must be [^\n]*\n$/);
});

/** A project whose package and modules use what bundlers break. */
const PROJECT = {
  "node_modules/legacy/package.json": '{ "name": "legacy", "main": "index.js" }',
  "node_modules/legacy/index.js": `
    const load = (name) => require(name);
    exports.file = __filename.slice(__dirname.length + 1);
    exports.separator = load("node:" + "path").sep;
    exports.resolved = require.resolve("node:fs");
    exports.isMain = require.main === module;`,
  "src/app/own.ts": `
    import { createRequire } from "node:module";
    import { relative } from "node:path";
    const __dirname: string = import.meta.dirname;
    const require = createRequire(import.meta.url);
    export const own = [relative(process.cwd(), __dirname), typeof require("node:fs").statSync];
    if (import.meta.main) console.log("a guarded module ran");`,
  "src/main.ts": `
    import { relative } from "node:path";
    import legacy from "legacy";
    import { own } from "./app/own.ts";
    if (import.meta.main) console.log(JSON.stringify([legacy, own, relative(process.cwd(), import.meta.dirname)]));`,
};

test("packages of CommonJS and modules in other folders run in a bundle", async (t) => {
  const project = await mkdtemp(join(tmpdir(), "project-"));
  t.after(() => rm(project, { recursive: true }));
  for (const [path, text] of Object.entries(PROJECT)) {
    await mkdir(dirname(join(project, path)), { recursive: true });
    await writeFile(join(project, path), text);
  }
  await bundle(join(project, "build"), join(project, "src/main.ts"));
  const { code, stdout, stderr } = await run("node", ["server.mjs"], { cwd: join(project, "build") });
  assert.deepEqual([code, stderr], [0, ""]);
  const legacy = { file: "server.mjs", separator: "/", resolved: "node:fs", isMain: false };
  assert.deepEqual(JSON.parse(stdout), [legacy, ["src/app", "function"], "src"]);
});
