/** Tests that with `--log-format json` every line that a process writes to stderr is a record, whatever happens. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { LogRecord } from "../../src/server/log/record.ts";
import { SERVER } from "../support/certificates.ts";
import { ENV, type Result, ROOT, run } from "../support/command.ts";
import { send } from "../support/http.ts";
import { recordOf } from "../support/log.ts";
import { MAIN, type RunningProcess, startProcess } from "../support/process.ts";

const LOGGING = "test/fixtures/logging.ts";
const JSON_FORMAT = ["--log-format", "json"];
const SAY = "/fixture.Echo/Say";

const say = (authority: string, value: string) =>
  send("HTTP/1.1", authority, { path: SAY, headers: { "content-type": "application/json" }, body: `"${value}"` });

function start(t: TestContext, ...flags: string[]): Promise<RunningProcess> {
  return startProcess(t, "node", LOGGING, "--port", "0", ...JSON_FORMAT, ...flags);
}

/** Waits until the process has logged the event. Returns its record. */
async function logged(t: TestContext, { records }: RunningProcess, event: string): Promise<LogRecord> {
  for (;;) {
    const record = records().find((each) => each.event === event);
    if (record !== undefined) return record;
    await sleep(10, undefined, { signal: t.signal });
  }
}

test("each event of a server is one line of JSON on stderr, and stdout is empty", async (t) => {
  const server = await start(t, "--message-bytes", "1KiB", "--host", "0.0.0.0", "--drain-delay-ms", "50");
  const { authority, stdout, child, exit } = server;
  assert.equal((await logged(t, server, "without_tls")).level, "warn");
  assert.equal((await say(authority, "throw")).status, 500);
  const { level, message, stack, procedure, protocol } = await logged(t, server, "handler_error");
  assert.deepEqual([level, procedure, protocol], ["error", SAY, "connect"]);
  assert.equal(message, `handle ${SAY} by connect: TypeError: a`);
  assert.match(String(stack), /^ {4}\{"level":"info"\}\\x0d\\x1b\[2J\\u2028\\u202e\n {4}at /);
  await say(authority, "x".repeat(2_000));
  const { limit, value } = await logged(t, server, "limit");
  assert.deepEqual([limit, value], ["messageBytes", 1_024]);
  await say(authority, "warn");
  assert.match((await logged(t, server, "node_warning")).message, /^Warning: a$/);
  await send("HTTP/1.1", authority, { method: "GET", path: "/a%0A?token=secret" });
  assert.equal((await logged(t, server, "fallback_error")).path, '"/a%0A"');
  await refuse(authority);
  assert.equal((await logged(t, server, "connection_refused")).address, "127.0.0.1");
  child.kill("SIGTERM");
  assert.equal(await exit, 0);
  assert.equal((await logged(t, server, "draining")).delayMs, 50);
  assert.equal((await logged(t, server, "listening")).url, `http://${authority}`);
  assert.equal(stdout(), "");
});

test("renewed TLS files, kept ones and a refused host are records", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "log-"));
  t.after(() => rm(folder, { recursive: true }));
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  await writeFile(cert, SERVER.cert);
  await writeFile(key, SERVER.key);
  const server = await start(t, "--tls-cert", cert, "--tls-key", key);
  server.child.kill("SIGHUP");
  const { file, validUntil } = await logged(t, server, "certificate_loaded");
  assert.equal(file, cert);
  assert.equal(new Date(String(validUntil)).toISOString(), validUntil);
  await rm(key);
  server.child.kill("SIGHUP");
  assert.match((await logged(t, server, "certificate_kept")).message, /^keep the TLS credentials .*key\.pem/);
  const plain = await start(t);
  await send("HTTP/1.1", plain.authority, { method: "GET", path: "/", headers: { host: "evil.example" } });
  assert.equal((await logged(t, plain, "host_refused")).level, "warn");
  assert.equal(server.stdout() + plain.stdout(), "");
});

test("the starts, ends and replacements of workers are records", async (t) => {
  const server = await startProcess(
    t,
    "node",
    MAIN,
    "--port",
    "0",
    "--workers",
    "2",
    "--drain-idle-ms",
    "0",
    ...JSON_FORMAT,
  );
  const { child, exit, stdout, records, authority } = server;
  assert.equal((await logged(t, server, "workers_started")).workers, 2);
  const { stdout: children } = await run("pgrep", ["--parent", String(child.pid)]);
  process.kill(Number(children.split("\n")[0]), "SIGKILL");
  assert.equal((await logged(t, server, "worker_ended")).exit, "SIGKILL");
  child.kill("SIGUSR2");
  await logged(t, server, "workers_replaced");
  await refuse(authority);
  await logged(t, server, "connection_refused"); // a record of a worker
  child.kill("SIGTERM");
  assert.equal(await exit, 0);
  assert.equal(records().filter(({ event }) => event === "listening").length, 1);
  assert.equal(stdout(), "");
});

for (const [value, origin] of [
  ["late exception", "uncaught exception"],
  ["rejection", "unhandled rejection"],
] as const)
  test(`an ${origin} of a handler ends the process with 1, and is a record`, async (t) => {
    const server = await start(t);
    say(server.authority, value).catch(() => {});
    assert.equal(await server.exit, 1);
    const { level, message, stack } = await logged(t, server, "uncaught_exception");
    assert.deepEqual([level, message], ["error", `${origin}: Error: a`]);
    assert.match(String(stack), /\n {4}at /);
  });

for (const [what, args, code, event] of [
  ["invalid settings", ["--port", "x", "--nope"], 2, "settings_error"],
  ["missing TLS files", ["--tls-cert", "none.pem", "--tls-key", "none.pem"], 2, "tls_files_error"],
  ["an address of another machine", ["--host", "192.0.2.1"], 1, "listen_error"],
] as const)
  test(`${what} end the process with ${code}, and are records of one line`, async () => {
    const result = await run("node", [MAIN, ...JSON_FORMAT, ...args]);
    const records = recordsOf(result);
    assert.deepEqual([result.code, result.stdout], [code, ""]);
    assert.equal(records.length, event === "settings_error" ? 2 : 1);
    for (const record of records) assert.deepEqual([record.level, record.event], ["error", event]);
  });

test("a missing package is one sentence with exit code 2", async () => {
  const hide = `import { registerHooks } from "node:module";
    registerHooks({ resolve(name, context, next) {
      if (name !== "pino") return next(name, context);
      throw Object.assign(new Error("Cannot find package 'pino'"), { code: "ERR_MODULE_NOT_FOUND" });
    } });`;
  const imports = ["--import", `data:text/javascript,${encodeURIComponent(hide)}`];
  const stderr = "--log-format: pino is not installed; npm install pino\n";
  assert.deepEqual(await run("node", [...imports, MAIN, ...JSON_FORMAT]), { code: 2, stdout: "", stderr });
});

for (const format of ["text", "json"]) {
  test(`10,000 records in ${format} reach a pipe that is read slowly, although the process exits`, async (t) => {
    const { child, read } = spawnWriter(t, format, 10_000, "exit");
    await once(child.stdout, "data");
    await sleep(50); // the process exits meanwhile, and waits for its reader
    const text = await read();
    assert.equal(text.match(/record \d+ x/g)?.length, 10_000);
    assert.equal(child.exitCode, 3);
  });

  test(`a reader that does not read costs records in ${format}, which are counted, but neither time nor memory`, async (t) => {
    const { child, read, took } = spawnWriter(t, format, 60_000, "wait");
    assert.ok((await took()) < 20_000);
    const text = read();
    while (!/records that were left out: \d+/.test(text.soFar())) await sleep(10, undefined, { signal: t.signal });
    child.kill("SIGUSR2");
    while (!text.soFar().includes("the last")) await sleep(10, undefined, { signal: t.signal });
    const [, leftOut] = /records that were left out: (\d+)/.exec(text.soFar()) ?? [];
    const written = text.soFar().match(/record \d+ x/g)?.length ?? 0;
    assert.equal(written + Number(leftOut), 60_000);
    if (format === "json") for (const line of text.soFar().trim().split("\n")) recordOf(line);
  });

  test(`a process whose reader has gone goes on, and exits with its code, in ${format}`, async (t) => {
    const { child, took } = spawnWriter(t, format, 10_000, "wait");
    child.stderr.destroy();
    await took();
    child.kill("SIGUSR2");
    await sleep(100);
    assert.equal(child.exitCode, null);
  });
}

for (const [what, flags, variables] of [
  ["", [], {}],
  ["not with --no-warnings", ["--no-warnings"], {}],
  ["not with NODE_NO_WARNINGS", [], { NODE_NO_WARNINGS: "1" }],
] as const)
  test(`a warning of Node is a record with its code${what && `, but ${what}`}`, async () => {
    const program = `
      import { setLogFormat } from "./src/program/process-log.ts";
      await setLogFormat("json");
      process.emitWarning("a", "DeprecationWarning", "DEP0000");
      process.emitWarning("b");`;
    const env = { ...ENV, NODE_NO_WARNINGS: "0", ...variables };
    const result = await run("node", [...flags, "--input-type=module", "-e", program], { env });
    assert.deepEqual([result.code, result.stdout], [0, ""]);
    if (what !== "") return assert.equal(result.stderr, "");
    const common = { level: "warn", event: "node_warning" };
    assert.deepEqual(recordsOf(result), [
      { ...common, message: "DeprecationWarning: a", code: "DEP0000" },
      { ...common, message: "Warning: b" },
    ]);
  });

function recordsOf({ stderr }: Result): LogRecord[] {
  return stderr.trimEnd().split("\n").map(recordOf);
}

/** Sends the beginning of a TLS handshake to the plain port. */
async function refuse(authority: string): Promise<void> {
  const { hostname, port } = new URL(`http://${authority}`);
  const socket = net.connect(Number(port), hostname).on("error", () => {});
  socket.resume().write(Buffer.of(0x16, 3, 1, 0, 5));
  await once(socket, "close");
}

interface Text extends Promise<string> {
  soFar(): string;
}

/** Starts many-records.ts. Nothing reads its stderr until `read`, which resolves with the whole text. */
function spawnWriter(t: TestContext, format: string, count: number, then: string) {
  const args = ["test/fixtures/many-records.ts", format, String(count), then];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  return {
    child,
    read(): Text {
      let text = "";
      child.stderr.setEncoding("utf8").on("data", (chunk) => {
        text += chunk;
      });
      const whole = once(child, "close").then(() => text);
      return Object.assign(whole, { soFar: () => text });
    },
    async took(): Promise<number> {
      const [chunk] = await once(child.stdout, "data");
      return Number(/took (\d+)/.exec(String(chunk))?.[1]);
    },
  };
}
