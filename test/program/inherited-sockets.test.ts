/** Tests the program on sockets that it inherits by the protocol of sd_listen_fds(3), as from systemd. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rename, rm } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ENV, ROOT } from "../support/command.ts";
import { send } from "../support/http.ts";
import { killGroup } from "../support/process.ts";
import { call, MAIN, until, workersOf } from "./workers/workers.ts";

/** Prints the variables of the protocol that are left, at each SIGUSR2. */
const LEFT = `data:text/javascript,${encodeURIComponent(`
  process.on("SIGUSR2", () => console.log("left:" + Object.keys(process.env).filter((name) => /^LISTEN_/.test(name))));
`)}`;
const HEALTH = { method: "GET", path: "/healthz" };

/** Runs a command with its own id as LISTEN_PID, unless the variable is set. */
const WITH_ID = ["sh", "-c", `export LISTEN_PID="\${LISTEN_PID-$$}"; exec "$@"`, "sh"];
/** Runs a command twice, and holds its file descriptors meanwhile, as systemd does. */
const TWICE = ["sh", "-c", `"$@"; echo "exit $?"; "$@"`, "sh"];

interface Sockets {
  readonly authority: string;
  readonly path: string;
  readonly fds: readonly number[];
  /** Closes the sockets of this process, which would accept connections, too. */
  close(): void;
}

interface Inheritor {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exit: Promise<number | null>;
}

/** Opens a listening socket on TCP and one on a path. */
async function openSockets(t: TestContext): Promise<Sockets> {
  const folder = await mkdtemp(join(tmpdir(), "inherit-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const [created, path] = [join(folder, "created"), join(folder, "socket")];
  const [tcp, unix] = [net.createServer().listen(0, "127.0.0.1"), net.createServer().listen(created)];
  await Promise.all([once(tcp, "listening"), once(unix, "listening")]);
  const authority = `127.0.0.1:${(tcp.address() as net.AddressInfo).port}`;
  await rename(created, path); // which `close` would remove
  function close(): void {
    for (const server of [tcp, unix]) server.close();
  }
  return { authority, path, fds: [tcp, unix].map(fdOf), close };
}

function fdOf(server: net.Server): number {
  return (server as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;
}

/** Starts the program with the sockets as file descriptors 3 and up. Closes those of this process. */
function inherit(
  t: TestContext,
  { fds, close }: Sockets,
  env: Readonly<Record<string, string>>,
  flags: readonly string[] = [],
  around: readonly string[] = [],
): Inheritor {
  const [command = "", ...args] = [...around, ...WITH_ID, process.execPath, "--import", LEFT, MAIN, ...flags];
  const stdio = ["ignore", "pipe", "pipe", ...fds] as const;
  const child = spawn(command, args, { cwd: ROOT, env: { ...ENV, ...env }, stdio: [...stdio], detached: true });
  t.after(() => killGroup(child, "SIGKILL"));
  close();
  let output = "";
  const add = (text: Buffer): void => {
    output += text;
  };
  child.stdout?.on("data", add);
  child.stderr?.on("data", add);
  return { child, output: () => output, exit: once(child, "close").then(([code]) => code) };
}

/** Waits until the output matches. Fails if the program ends before. */
async function untilSaid({ child, output }: Inheritor, pattern: RegExp): Promise<void> {
  await until(() => pattern.test(output()) || child.exitCode !== null);
  assert.match(output(), pattern);
}

for (const workers of ["1", "2"]) {
  test(`the program serves on inherited sockets of TCP and Unix in place of its port, with WORKERS=${workers}`, async (t) => {
    const sockets = await openSockets(t);
    const { authority, path } = sockets;
    const variables = { LISTEN_FDS: "2", LISTEN_FDNAMES: "web:local", WORKERS: workers, LOG_FORMAT: "text" };
    const server = inherit(t, sockets, variables, ["--host", "192.0.2.1", "--port", "1"]);
    await untilSaid(server, /inherited sockets.*: 3 \(web\), 4 \(local\)\n/);
    assert.match(server.output(), new RegExp(`listening on http://${authority}\n`));
    assert.match(server.output(), /listening on a Unix domain socket\n/);
    assert.equal((await send("HTTP/2", authority, HEALTH)).status, 200);
    const createConnection = () => net.connect(path);
    assert.equal((await send("HTTP/1.1", "http://localhost", HEALTH, { createConnection })).status, 200);
    if (workers === "2") assert.equal((await workersOf(authority)).length, 2);
    server.child.kill("SIGUSR2");
    await untilSaid(server, /left:\n/);
    server.child.kill("SIGTERM");
    assert.equal(await server.exit, 0);
  });
}

test("a program whose last worker has crashed ends, and the next one serves the connections that wait", async (t) => {
  const sockets = await openSockets(t);
  const { authority } = sockets;
  const program = inherit(t, sockets, { LISTEN_FDS: "2", WORKERS: "2", LOG_FORMAT: "text" }, [], TWICE);
  await untilSaid(program, /2 workers;/);
  for (const pid of await workersOf(authority)) process.kill(pid, "SIGKILL");
  await untilSaid(program, /the inherited sockets are closed, so the primary ends\n.*exit 1\n/s);
  assert.ok((await call(authority)) > 0);
  await untilSaid(program, /exit 1\n.*2 workers;/s);
  assert.equal((await workersOf(authority)).length, 2);
});

test("the program ignores sockets for another process", async (t) => {
  const sockets = await openSockets(t);
  const variables = { LISTEN_FDS: "2", LISTEN_PID: String(process.pid), LOG_FORMAT: "text" };
  const server = inherit(t, sockets, variables, ["--port", "0"]);
  await untilSaid(server, /listening on http/);
  assert.doesNotMatch(server.output(), /inherited/);
  server.child.kill("SIGUSR2");
  await untilSaid(server, /left:\n/);
});

test("a program that cannot tell systemd its state reports this once, and serves", async (t) => {
  const sockets = await openSockets(t);
  const variables = { LISTEN_FDS: "2", NOTIFY_SOCKET: "/nowhere", WATCHDOG_USEC: "20000", LOG_FORMAT: "text" };
  const server = inherit(t, sockets, variables);
  await untilSaid(server, /^tell systemd the state of the process: .+$/m);
  await sleep(200);
  assert.equal((await send("HTTP/1.1", sockets.authority, HEALTH)).status, 200);
  server.child.kill("SIGTERM");
  assert.equal(await server.exit, 0);
  assert.equal(server.output().split("tell systemd").length, 2);
});

for (const [name, env, code, sentence] of [
  ["LISTEN_FDS", { LISTEN_FDS: "many" }, 2, 'LISTEN_FDS: "many" must be a whole number from 0 to 256\n'],
  ["LISTEN_PID", { LISTEN_FDS: "2", LISTEN_PID: "me" }, 2, 'LISTEN_PID: "me" must be the id of a process\n'],
  [
    "LISTEN_FDNAMES",
    { LISTEN_FDS: "2", LISTEN_FDNAMES: "web" },
    2,
    'LISTEN_FDNAMES: "web" must be 2 names with colons between them, as LISTEN_FDS is 2\n',
  ],
  [
    "WATCHDOG_USEC",
    { NOTIFY_SOCKET: "/nowhere", WATCHDOG_USEC: "30s" },
    2,
    'WATCHDOG_USEC: "30s" must be a whole number of microseconds from 1 on\n',
  ],
  [
    "a file descriptor",
    { LISTEN_FDS: "3", LISTEN_FDNAMES: "web:local:none" },
    1,
    "listen on file descriptor 5 (none): not a stream socket that listens (EINVAL)\n",
  ],
] as const) {
  test(`an invalid value of ${name} ends the program with one sentence`, async (t) => {
    const sockets = await openSockets(t);
    const program = inherit(t, { ...sockets, fds: [...sockets.fds, 2] }, { ...env, LOG_FORMAT: "text" });
    assert.equal(await program.exit, code);
    assert.equal(program.output(), sentence);
  });
}
