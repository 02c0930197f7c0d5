/** Tests a program with workers as its supervisor sees it: output, signals, exit codes, and the limits of each worker. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import { readConfig } from "../../../src/program/config.ts";
import { defaultLimits, loweredLimits } from "../../../src/server/limits/defaults.ts";
import { LIMIT_NAMES } from "../../../src/server/limits/limits.ts";
import { memoryGroup } from "../../security/support/memory-group.ts";
import { AUTHORITY, type Certified, LOOPBACK, SERVER } from "../../support/certificates.ts";
import { ENV, ROOT, run } from "../../support/command.ts";
import { killGroup, startProcess, startProcessIn } from "../../support/process.ts";
import { freePort } from "../../support/prometheus.ts";
import { connectTo } from "../../support/raw.ts";
import { call, MAIN, runs, startWorkers, until, workersOf } from "./workers.ts";

const FOLDER = await mkdtemp(join(tmpdir(), "workers-"));
after(() => rm(FOLDER, { recursive: true }));
const [CERT, KEY] = [join(FOLDER, "cert.pem"), join(FOLDER, "key.pem")] as const;
const OTHER = await AUTHORITY.issue({ subject: "CN=other", names: LOOPBACK });

// Start.

test("the primary prints the address once, when all workers listen on the same port", async (t) => {
  const { authority, stdout, stderr } = await startWorkers(t, ["--workers", "3"]);
  const pids = new Set(await Promise.all([1, 2, 3].map(() => call(authority, 50))));
  assert.equal(pids.size, 3);
  await until(() => stdout().includes("3 workers; SIGUSR2 replaces them one by one\n"));
  assert.equal(stdout().match(/listening on/g)?.length, 1);
  assert.equal(stderr(), "");
});

for (const { flags, loads } of [
  { flags: [], loads: false },
  { flags: ["--workers", "2"], loads: true },
]) {
  test(`a start with ${flags.join(" ") || "one process"} ${loads ? "loads" : "does not load"} the primary`, async (t) => {
    const hooks = `data:text/javascript,import { registerHooks } from "node:module";
      registerHooks({ load: (url, context, next) => (console.error(url), next(url, context)) })`;
    const { stderr } = await startProcess(t, "node", "--import", hooks, MAIN, "--port", "0", ...flags);
    assert.match(stderr(), /program\/run\.[jt]s$/m);
    assert.equal(/program\/workers\.[jt]s$/m.test(stderr()), loads);
  });
}

for (const { flags, says } of [
  { flags: ["--workers", "0"], says: '--workers: "0" must be a whole number from 1 to 256, or auto\n' },
  { flags: ["--workers", "257"], says: '--workers: "257" must be a whole number from 1 to 256, or auto\n' },
  { flags: ["--workers", "4", "--nope"], says: "--nope: unknown flag; see --help\n" },
  {
    flags: ["--workers", "4", "--tls-cert", "missing.pem", "--tls-key", "missing.pem"],
    says: "read certificate missing.pem: the file does not exist\n",
  },
]) {
  test(`${flags.join(" ")} ends with one sentence and exit code 2`, async () => {
    const { code, stdout, stderr } = await run("node", [MAIN, "--port", "0", ...flags]);
    assert.deepEqual({ code, stdout, stderr }, { code: 2, stdout: "", stderr: says });
  });
}

test("a port in use ends all workers with one sentence and exit code 1", async (t) => {
  const other = createServer().listen(0, "127.0.0.1");
  t.after(() => other.close());
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  const result = await run("node", [MAIN, "--workers", "4", "--port", String(port)]);
  const stderr = `listen on 127.0.0.1 port ${port}: the port is in use; choose another with --port\n`;
  assert.deepEqual(result, { code: 1, stdout: "", stderr });
});

test("--workers auto starts a worker for each core", () => {
  const { availableParallelism } = process.getBuiltinModule("node:os");
  assert.equal(readConfig(["--workers", "auto"], {}).workers, availableParallelism());
});

test("a process that is a worker of node:cluster itself cannot have workers", async () => {
  const script = `const cluster = require("node:cluster");
    cluster.setupPrimary({ exec: "${MAIN}", args: ["--port", "0", "--workers", "2"], execArgv: [] });
    cluster.fork().on("exit", (code) => process.exit(code));`;
  const { code, stderr } = await run("node", ["--eval", script]);
  assert.deepEqual(
    { code, stderr },
    { code: 2, stderr: "--workers: must be 1 in a process that is a worker of node:cluster\n" },
  );
});

// End.

for (const { name, signal, times } of [
  { name: "SIGTERM to the primary", signal: "SIGTERM", times: 1 },
  { name: "Ctrl-C, a SIGINT to all processes,", signal: "SIGINT", times: 1 },
  { name: "Ctrl-C that arrives twice", signal: "SIGINT", times: 2 },
  { name: "SIGTERM to all processes, as systemd sends it,", signal: "SIGTERM", times: 2 },
] as const) {
  test(`${name} drains all workers, which finish their calls, and the exit code is 0`, async (t) => {
    const server = await startWorkers(t);
    const pids = await workersOf(server.authority);
    const calls = Array.from({ length: 8 }, () => call(server.authority, 1_500));
    await sleep(700);
    if (name.includes("primary")) server.child.kill(signal);
    else for (let i = 0; i < times; i++) killGroup(server.child, signal);
    assert.deepEqual(new Set(await Promise.all(calls)), new Set(pids));
    assert.equal(await server.exit, 0);
    assert.equal(server.stderr(), "");
    for (const pid of pids) assert.equal(runs(pid), false);
  });
}

test("a second signal ends all processes at once, with exit code 1", async (t) => {
  const server = await startWorkers(t, ["--drain-delay-ms", "20s"]);
  const pids = await workersOf(server.authority);
  server.child.kill("SIGTERM");
  await until(() => server.stdout().includes("draining: accepts connections for 20000 ms more"));
  assert.equal(server.stdout().match(/draining/g)?.length, 1);
  await call(server.authority); // connections are accepted during the delay
  server.child.kill("SIGINT");
  assert.equal(await Promise.race([server.exit, sleep(2_000, "runs", { ref: false })]), 1);
  await until(() => !pids.some(runs));
});

test("the exit code is that of the worker that had to cut a call", async (t) => {
  const server = await startWorkers(t, ["--grace-ms", "300", "--abort-ms", "0", "--drain-idle-ms", "10"]);
  await workersOf(server.authority);
  const lost = assert.rejects(call(server.authority, 30_000));
  await sleep(500);
  server.child.kill("SIGTERM");
  assert.equal(await server.exit, 1);
  assert.equal(server.stderr(), "drain: timed out after 300 ms; calls that were cut: 1\n");
  await lost;
});

test("a worker that does not react is killed after the grace time, with exit code 1", async (t) => {
  const server = await startWorkers(t, ["--grace-ms", "100", "--abort-ms", "0"]);
  const [stopped = 0] = await workersOf(server.authority);
  process.kill(stopped, "SIGSTOP");
  server.child.kill("SIGTERM");
  assert.equal(await server.exit, 1);
  assert.equal(runs(stopped), false);
});

test("when the primary is killed, the workers finish their calls and end", async (t) => {
  const server = await startWorkers(t);
  const pids = await workersOf(server.authority);
  const calls = Array.from({ length: 8 }, () => call(server.authority, 1_500));
  await sleep(700);
  server.child.kill("SIGKILL");
  assert.deepEqual(new Set(await Promise.all(calls)), new Set(pids));
  await until(() => !pids.some(runs));
});

test("SIGTERM while workers start drains those that serve, and the exit code is 0", async (t) => {
  const port = await freePort();
  const authority = `127.0.0.1:${port}`;
  const args = [MAIN, "--workers", "4", "--port", String(port)];
  const child = spawn(process.execPath, args, { cwd: ROOT, env: ENV, detached: true });
  t.after(() => killGroup(child, "SIGKILL"));
  const exit = once(child, "exit");
  while ((await call(authority).catch(() => undefined)) === undefined) await sleep(5);
  const inFlight = call(authority, 1_000);
  await sleep(100);
  child.kill("SIGTERM");
  assert.ok(await inFlight);
  assert.deepEqual(await exit, [0, null]);
});

for (const ms of [0, 20, 100, 200]) {
  test(`SIGTERM ${ms} ms after the start of a new worker drains that worker too`, async (t) => {
    await writeFiles(SERVER);
    const server = await startWorkers(t, ["--tls-cert", CERT, "--tls-key", KEY, "--grace-ms", "30s"]);
    server.child.kill("SIGUSR2");
    await sleep(ms);
    server.child.kill("SIGTERM");
    assert.equal(await Promise.race([server.exit, sleep(20_000, "runs", { ref: false })]), 0);
    assert.equal(server.stderr(), "");
  });
}

test("SIGTERM while a replaced worker finishes its calls starts no further worker", async (t) => {
  const server = await startWorkers(t, ["--grace-ms", "30s"]);
  const pids = new Set(await workersOf(server.authority));
  const calls = Array.from({ length: 8 }, () => call(server.authority, 3_000));
  await sleep(300);
  server.child.kill("SIGUSR2");
  await until(async () => !pids.has(await call(server.authority)));
  server.child.kill("SIGTERM");
  assert.deepEqual(new Set(await Promise.all(calls)), pids);
  assert.equal(await Promise.race([server.exit, sleep(20_000, "runs", { ref: false })]), 0);
  assert.equal(server.stderr(), "");
});

test("SIGTERM before the program of a new worker runs drains that worker too", async (t) => {
  const slow = "data:text/javascript,await%20new%20Promise(resolve=>setTimeout(resolve,500))";
  const flags = ["--workers", "2", "--port", "0", "--grace-ms", "30s"];
  const server = await startProcess(t, "node", "--import", slow, MAIN, ...flags);
  await until(() => server.stdout().includes("2 workers"));
  server.child.kill("SIGUSR2");
  await sleep(250);
  server.child.kill("SIGTERM");
  assert.equal(await Promise.race([server.exit, sleep(20_000, "runs", { ref: false })]), 0);
  assert.equal(server.stderr(), "");
});

test("a worker for which no process can be started leaves the others in place, and a later SIGUSR2 replaces them", async (t) => {
  const node = join(FOLDER, "node");
  await copyFile(process.execPath, node);
  const server = await startProcessIn(t, ROOT, { ...ENV, WORKERS: "2" }, node, MAIN, "--port", "0");
  await rm(node);
  for (const count of [1, 2]) {
    server.child.kill("SIGUSR2");
    await until(() => server.stderr().match(/^replace workers: .*$/gm)?.length === count);
  }
  const line = "replace workers: the new worker could not be started (ENOENT) before it listened; the others go on\n";
  assert.equal(server.stderr(), line + line);
  await copyFile(process.execPath, node);
  server.child.kill("SIGUSR2");
  await until(() => server.stdout().includes("replaced 2 workers"));
  server.child.kill("SIGTERM");
  assert.equal(await server.exit, 0);
});

test("SIGUSR2 to a program without workers is ignored", async (t) => {
  const server = await startProcess(t, "node", MAIN, "--port", "0");
  server.child.kill("SIGUSR2");
  await until(() => server.stderr() !== "");
  assert.equal(server.stderr(), "SIGUSR2 is ignored: it replaces workers, and --workers is 1\n");
  await call(server.authority);
});

// TLS.

async function writeFiles(certified: Certified): Promise<void> {
  await writeFile(CERT, certified.cert);
  await writeFile(KEY, certified.key);
}

test("SIGHUP renews TLS in each worker, and a worker that cannot start leaves the others in place", async (t) => {
  await writeFiles(SERVER);
  const server = await startWorkers(t, ["--tls-cert", CERT, "--tls-key", KEY]);
  assert.deepEqual(await subjects(), ["the tests' server"]);
  await writeFiles(OTHER);
  killGroup(server.child, "SIGHUP"); // as a terminal sends it
  await until(() => server.stdout().match(/^loaded certificate .*cert\.pem, valid until/gm)?.length === 2);
  assert.deepEqual(await subjects(), ["other"]);
  await rm(KEY);
  server.child.kill("SIGUSR2");
  await until(() => server.stderr().includes("others go on"));
  const lines = server
    .stderr()
    .replace(/worker \d+/, "worker PID")
    .split("\n");
  assert.deepEqual(lines, [
    `read key ${KEY}: the file does not exist`,
    "replace workers: the new worker PID ended with 2 before it listened; the others go on",
    "",
  ]);
  assert.deepEqual(await subjects(), ["other"]);

  /** Returns the subjects of the certificates of some connections, each once. */
  async function subjects(): Promise<string[]> {
    const found = await Promise.all(Array.from({ length: 6 }, () => subject(t, server.authority)));
    return [...new Set(found)];
  }
});

async function subject(t: TestContext, authority: string): Promise<string> {
  const { hostname: host, port } = new URL(`https://${authority}`);
  const socket = tls.connect({ host, port: Number(port), ca: AUTHORITY.cert });
  t.after(() => socket.destroy());
  await once(socket, "secureConnect");
  return String(socket.getPeerCertificate().subject.CN);
}

// Limits.

for (const { connections, served } of [
  { connections: 4, served: 4 },
  { connections: 8, served: 6 },
]) {
  test(`with --connections ${connections}, two workers serve ${served} of 6 connections`, async (t) => {
    const { authority } = await startWorkers(t, ["--connections", String(connections)]);
    const sockets = [];
    let responses = 0;
    for (let i = 0; i < 6; i++) {
      const socket = await connectTo(authority);
      sockets.push(socket);
      socket.on("error", () => {}).write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
      const [data] = await Promise.race([once(socket, "data"), once(socket, "close")]).catch(() => [undefined]);
      if (/^HTTP\/1\.1 200 /.test(String(data))) responses++;
    }
    assert.equal(responses, served);
    for (const socket of sockets) socket.destroy();
    await until(async () => (await call(authority).catch(() => 0)) > 0);
  });
}

for (const { heap, flag, gets } of [
  { heap: "", flag: /^--max-old-space-size=6\d$/, gets: "a quarter of V8's heap" }, // 268 MiB
  { heap: "--max-old-space-size=100", flag: undefined, gets: "the heap that NODE_OPTIONS sets" },
  { heap: "--max-old-space-size-percentage=60", flag: /^--.*percentage=15$/, gets: "a quarter of the percentage" },
  {
    heap: "--max_old_space_size_percentage=60",
    flag: /^--.*percentage=15$/,
    gets: "a quarter of the part in V8's form",
  },
]) {
  test(`in a container of 512 MiB, each of four workers gets ${gets}`, async (t) => {
    const group = memoryGroup(t, 512 * 2 ** 20);
    if (group === undefined) return;
    const command = group.command(process.execPath, MAIN, "--port", "0", "--workers", "4");
    const server = await startProcessIn(t, ROOT, { ...ENV, NODE_OPTIONS: heap }, command[0], ...command[1]);
    t.after(() => group.remove());
    const pids = await workersOf(server.authority, 4);
    assert.equal(pids.length, 4);
    for (const pid of pids) {
      const flags = (await readFile(`/proc/${pid}/cmdline`, "utf8"))
        .split("\0")
        .filter((arg) => arg.includes("old-space"));
      if (flag === undefined) assert.deepEqual(flags, []);
      else assert.match(flags.join(), flag);
    }
    assert.match(server.stdout(), /^defaults of each worker lowered for \d+MiB of memory: .*bufferedBytes \d+MiB/m);
    server.child.kill("SIGTERM");
    assert.equal(await server.exit, 0);
  });
}

test("workers without a file descriptor close new connections, and serve others when they have some again", async (t) => {
  const limited = ["sh", "-c", 'ulimit -n 60; exec "$@"', "sh", process.execPath] as const;
  const { authority, stderr } = await startProcess(t, ...limited, MAIN, "--port", "0", "--workers", "2");
  const { hostname, port } = new URL(`http://${authority}`);
  let closed = 0;
  const sockets = [];
  for (let i = 0; i < 150; i++) {
    // One by one, because the primary has as few file descriptors for connections that it passes on.
    const socket = connect(Number(port), hostname);
    sockets.push(socket.on("error", () => {}).on("close", () => closed++));
    await once(socket, "connect");
    await sleep(5);
  }
  await until(() => closed > 50 && stderr().includes("all 60 file descriptors of this process are in use"));
  for (const socket of sockets) socket.destroy();
  await until(async () => (await call(authority).catch(() => 0)) > 0);
  assert.equal((await workersOf(authority)).length, 2);
});

/** The limits that count over all connections. */
const TOTAL = [
  "connections",
  "connectionsPerAddress",
  "decompressors",
  "queuedDecompressions",
  "compressors",
  "bufferedBytes",
  "queuedBytes",
  "cancelledHandlers",
  "callsInFlight",
];

test("each worker gets its part of the limits that count over all connections, and the whole of the others", () => {
  const flags = LIMIT_NAMES.flatMap((name) => [`--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`, "100001"]);
  const { limits } = readConfig(["--workers", "4", ...flags], {});
  for (const name of LIMIT_NAMES) assert.equal(limits[name], TOTAL.includes(name) ? 25_001 : 100_001, name);
  const { limits: off } = readConfig(["--workers", "4", "--connections", "off"], {});
  assert.equal(off.connections, Number.POSITIVE_INFINITY);
  assert.equal(readConfig(["--workers", "4", "--decompressors", "1"], {}).limits.decompressors, 1);
});

test("the defaults of a worker follow its part of the memory", () => {
  const all = defaultLimits(1, 2 ** 40);
  const worker = defaultLimits(4, 2 ** 40);
  assert.equal(worker.bufferedBytes, all.bufferedBytes / 4);
  assert.equal(worker.bufferedBytesPerConnection, all.bufferedBytesPerConnection);
  assert.equal(worker.messageBytes, all.messageBytes);
  const { bufferedBytes, messageBytes } = defaultLimits(96, 2 ** 40);
  assert.ok(bufferedBytes >= 4 * messageBytes, "many workers leave no room for a message");
  assert.deepEqual(loweredLimits(worker, 4, 2 ** 40), []);
  const small = defaultLimits(4, 2 ** 26);
  assert.equal(small.bufferedBytes, 2 ** 23);
  assert.ok(loweredLimits(small, 4, 2 ** 26).includes("bufferedBytes"));
});
