/** Tests --admin-port as an operator sees it: settings, exit codes, a drain, and a server that is full. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { Agent, get } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ROOT, run } from "../support/command.ts";
import { MAIN, type RunningProcess, runMain, startMain, startProcess } from "../support/process.ts";
import { connectTo } from "../support/raw.ts";

const BUCKETS =
  "must be at most 64 durations in ascending order separated by commas, each a number of seconds above 0 or with a unit (us, ms, s)";

for (const { flags, problem } of [
  { flags: ["--admin-port", "x"], problem: '--admin-port: "x" must be a whole number from 0 to 65535' },
  { flags: ["--admin-port", "65536"], problem: '--admin-port: "65536" must be a whole number from 0 to 65535' },
  { flags: ["--admin-host", "a b"], problem: '--admin-host: "a b" must be an IP address or a host name' },
  { flags: ["--metrics-buckets", ""], problem: `--metrics-buckets: "" ${BUCKETS}` },
  { flags: ["--metrics-buckets", "0,1"], problem: `--metrics-buckets: "0,1" ${BUCKETS}` },
  { flags: ["--metrics-buckets", "1s,100ms"], problem: `--metrics-buckets: "1s,100ms" ${BUCKETS}` },
  { flags: ["--metrics-buckets", "1ms,1ms"], problem: `--metrics-buckets: "1ms,1ms" ${BUCKETS}` },
  { flags: ["--metrics-buckets", "1m"], problem: `--metrics-buckets: "1m" ${BUCKETS}` },
  { flags: ["--metrics-buckets", "1ms,,1s"], problem: `--metrics-buckets: "1ms,,1s" ${BUCKETS}` },
  { flags: ["--metrics-buckets", "1ms"], problem: "--admin-port: must be given with --metrics-buckets" },
])
  test(`${flags.join(" ")} ends the process with 2`, async () => {
    const { code, stdout, stderr } = await runMain(flags);
    assert.deepEqual([code, stdout, stderr], [2, "", `${problem}\n`]);
  });

test("64 buckets are allowed, and 65 are not", async (t) => {
  const bounds = (count: number) => Array.from({ length: count }, (_, index) => index + 1).join(",");
  assert.equal((await runMain(["--admin-port", "0", "--metrics-buckets", bounds(65)])).code, 2);
  await startMain(t, "--admin-port", "0", "--metrics-buckets", bounds(64));
});

test("an admin port in use ends the process with 1 and one sentence", async (t) => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  t.after(() => other.close());
  const { port } = other.address() as AddressInfo;
  const { code, stdout, stderr } = await runMain(["--port", "0", "--admin-port", String(port)]);
  const sentence = `listen on 127.0.0.1 port ${port}: the port is in use; choose another with --admin-port\n`;
  assert.deepEqual([code, stdout, stderr], [1, "", sentence]);
});

test("without prom-client, --admin-port ends the process with 2 and one sentence", async (t) => {
  const cwd = await copyWithout(t, "prom-client");
  const { code, stdout, stderr } = await run("node", ["main.ts", "--port", "0", "--admin-port", "0"], { cwd });
  const sentence = "--admin-port: prom-client is not installed; npm install prom-client\n";
  assert.deepEqual([code, stdout, stderr], [2, "", sentence]);
});

test("without --admin-port, neither prom-client nor the admin server is loaded", async (t) => {
  const loaded = async (...flags: string[]) => {
    const { stderr, child, exit } = await startProcess(
      t,
      "node",
      "--import",
      LOGS_LOADS,
      MAIN,
      "--port",
      "0",
      ...flags,
    );
    child.kill("SIGTERM");
    await exit;
    return stderr()
      .split("\n")
      .filter((line) => /prom-client|telemetry\/(?:admin|metrics|exposition)/.test(line));
  };
  assert.deepEqual(await loaded(), []);
  assert.ok((await loaded("--admin-port", "0")).length > 10);
});

test("in a drain, /livez is 200 and /readyz is 503, and an open admin connection does not hold the process", async (t) => {
  const started = await startMain(t, "--admin-port", "0", "--drain-delay-ms", "1500ms");
  const admin = await adminOf(started);
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const status = async (path: string) => (await fetchText(`${admin}${path}`, agent)).status;
  assert.deepEqual([await status("/livez"), await status("/readyz")], [200, 200]);
  started.child.kill("SIGTERM");
  while ((await status("/readyz")) === 200) await sleep(10);
  assert.deepEqual([await status("/livez"), await status("/readyz")], [200, 503]);
  assert.match((await fetchText(`${admin}/metrics`, agent)).text, /^rpc_server_draining 1$/m);
  const idle = await connectTo(new URL(admin).host);
  const closed = once(idle.on("error", () => {}).resume(), "close");
  assert.equal(await started.exit, 0);
  await closed;
});

test("the admin port answers while the server refuses connections", async (t) => {
  const started = await startMain(t, "--admin-port", "0", "--connections", "2");
  for (let i = 0; i < 4; i++) await connectQuietly(t, started.authority);
  const text = await metricsUntil(await adminOf(started), /^rpc_server_limit_hits_total\{limit="connections"\} 2$/m);
  assert.match(text, /^rpc_server_connections\{http_version="pending"\} 2$/m);
});

const skip = process.platform !== "linux" && "only Linux tells the number of open files";

test("the admin port answers while clients hold all connections that the open files allow", { skip }, async (t) => {
  const command = ["-c", 'ulimit -n 96 && exec node "$@"', "sh", MAIN, "--port", "0", "--admin-port", "0"];
  const started = await startProcess(t, "sh", ...command);
  const admin = await adminOf(started);
  assert.match(started.stdout(), /^connections lowered to \d+: more would leave no file descriptor for --admin-port$/m);
  for (let i = 0; i < 100; i++) await connectQuietly(t, started.authority);
  await metricsUntil(admin, /^rpc_server_limit_hits_total\{limit="connections"\} [1-9]/m);
  assert.equal((await fetchText(`${admin}/livez`)).status, 200);
});

/** Logs each module that the process loads. */
const LOGS_LOADS = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from "node:module";
  import { writeSync } from "node:fs";
  registerHooks({ load(url, context, next) { writeSync(2, url + "\\n"); return next(url, context); } });`)}`;

/** Makes a folder with a program that has the packages of the server, but not `missing`. */
async function copyWithout(t: TestContext, missing: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "program-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const name of ["src", "gen"]) await cp(join(ROOT, name), join(folder, name), { recursive: true });
  await mkdir(join(folder, "node_modules"));
  for (const name of ["@bufbuild", "@connectrpc"]) {
    assert.notEqual(name, missing);
    await symlink(join(ROOT, "node_modules", name), join(folder, "node_modules", name));
  }
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  await writeFile(join(folder, "main.ts"), 'await (await import("./src/program/run.ts")).run({ routes() {} });');
  return folder;
}

/** Returns the URL of the admin server of a process, which prints it after the line of its address. */
async function adminOf({ stdout }: RunningProcess): Promise<string> {
  for (;;) {
    const [, url] = /^admin port: (\S+) serves/m.exec(stdout()) ?? [];
    if (url !== undefined) return url;
    await sleep(10);
  }
}

async function connectQuietly(t: TestContext, authority: string): Promise<Socket> {
  const socket = await connectTo(authority);
  t.after(() => socket.destroy());
  return socket.on("error", () => {}).resume();
}

/** Reads the metrics until they match. */
async function metricsUntil(admin: string, pattern: RegExp): Promise<string> {
  for (;;) {
    const { text } = await fetchText(`${admin}/metrics`);
    if (pattern.test(text)) return text;
    await sleep(20);
  }
}

async function fetchText(url: string, agent?: Agent): Promise<{ readonly status: number; readonly text: string }> {
  const [response] = await once(get(url, agent === undefined ? { agent: false } : { agent }), "response");
  const text = Buffer.concat(await response.toArray()).toString();
  return { status: response.statusCode, text };
}
