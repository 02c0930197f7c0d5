/** Tests the units of deploy/systemd with the bundle, on a machine with the real systemd. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createAuthority } from "../support/certificates.ts";
import { ENV, ROOT, run } from "../support/command.ts";
import { absent, findJudge } from "../support/judge.ts";
import type { Counts } from "./support/churn.ts";
import { BootError, canBoot, Machine, REPOSITORY } from "./support/machine.ts";

const FOLDER = join(ROOT, "deploy/systemd");
const SERVICE = "connect-server.service";
const SOCKET = "connect-server.socket";
const UNITS = "/etc/systemd/system";
const DROP_INS = `${UNITS}/${SERVICE}.d`;
const AUTHORITY = "127.0.0.1:50051";
/** The maximum exposure in tenths, for `systemd-analyze security --threshold`. */
const MAX_EXPOSURE = "20";
const RESTARTS = 3;
/** So long that a busy machine does not delay a message for half of it. */
const WATCHDOG_S = 3;
/** The calls of each client between two restarts. */
const CALLS = 40;

interface Setup {
  /** Lines of /etc/connect-server/environment. The drain delay is 0, so that a restart takes less time. */
  readonly environment?: string;
  /** Lines of a drop-in's [Service] section. */
  readonly service?: string;
  /** The text of the service unit, by default that of FOLDER. */
  readonly unit?: string;
  /** True if the socket unit is installed and started, too. */
  readonly hasSocket?: boolean;
}

let shared: Promise<Machine> | undefined;
after(async () => (await shared?.catch(() => undefined))?.end());

/** Runs the commands that the service unit gives for its installation, up to the start. */
async function install(machine: Machine): Promise<void> {
  const commands = [...unitText(SERVICE).matchAll(/^# {3}(\w.*)$/gm)].map(([, command]) => command);
  const before = commands.slice(0, commands.indexOf("systemctl daemon-reload"));
  assert.equal(commands.length - before.length, 2);
  await machine.must("sh", "-e", "-c", `cd ${REPOSITORY}\nPATH=${REPOSITORY}:$PATH\n${before.join("\n")}`);
}

/** Returns the machine, which is the same for all tests. Returns undefined if the test is skipped. */
async function boot(t: TestContext): Promise<Machine | undefined> {
  if (!canBoot(t)) return undefined;
  shared ??= Machine.boot(install);
  try {
    return await shared;
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    absent(t, error.message);
  }
}

/** Returns the machine with the units and without any state of other tests; undefined if the test is skipped. */
async function prepare(
  t: TestContext,
  { environment = "", service = "", unit = unitText(SERVICE), hasSocket = false }: Setup = {},
) {
  const machine = await boot(t);
  if (machine === undefined) return undefined;
  await machine.write("/etc/connect-server/environment", `DRAIN_DELAY_MS=0\n${environment}\n`);
  await machine.write(`${UNITS}/${SERVICE}`, unit);
  await machine.write(`${DROP_INS}/test.conf`, `[Service]\n${service}\n`);
  if (hasSocket) await machine.write(`${UNITS}/${SOCKET}`, unitText(SOCKET));
  else await machine.remove(`${UNITS}/${SOCKET}`); // which a start of the service would start
  await machine.must("systemctl", "daemon-reload");
  t.after(async () => {
    await machine.run("systemctl", "stop", SOCKET, SERVICE);
    await machine.run("systemctl", "reset-failed");
    for (const folder of ["/etc/connect-server", DROP_INS]) await machine.remove(folder);
  });
  if (hasSocket) await machine.must("systemctl", "start", SOCKET);
  return machine;
}

function unitText(name: string): string {
  return readFileSync(join(FOLDER, name), "utf8");
}

function mainPid(machine: Machine): Promise<string> {
  return machine.property(SERVICE, "MainPID");
}

/** Returns the records of the service since its last start. */
async function journal(machine: Machine): Promise<string> {
  const id = await machine.property(SERVICE, "InvocationID");
  return machine.must("journalctl", "--output=cat", `_SYSTEMD_INVOCATION_ID=${id}`);
}

async function isServing(machine: Machine): Promise<boolean> {
  return (await machine.run("curl", "--silent", "--fail", `http://${AUTHORITY}/healthz`)).code === 0;
}

test("a machine ends if its setup fails", async (t) => {
  if (!canBoot(t)) return;
  let machine: Machine | undefined;
  const boot = Machine.boot(async (booted) => {
    machine = booted;
    await booted.must("false");
  });
  const error: unknown = await boot.catch((error: unknown) => error);
  if (error instanceof BootError) return absent(t, error.message);
  assert.match(String(error), /false: it ended with 1/);
  assert.notEqual((await machine?.run("true"))?.code, 0);
});

for (const { ci, outcome } of [
  { ci: "", outcome: "skipped with the reason" },
  { ci: "true", outcome: "failed in CI" },
]) {
  test(`on a machine that may not boot another one, tests are ${outcome}`, async (t) => {
    if (!canBoot(t)) return;
    const args = ["--bounding-set=-sys_admin", process.execPath, "--test", "--test-reporter=tap"];
    args.push("--test-name-pattern=has started when it serves", import.meta.filename);
    const env = { ...ENV, CI: ci, NODE_TEST_CONTEXT: undefined };
    const { stdout } = await run("setpriv", args, { env });
    const reason = "boot a machine: systemd-nspawn ended with";
    assert.match(
      stdout,
      ci === "" ? RegExp(`^ok 1 .* # SKIP ${reason}`, "m") : RegExp(`^not ok 1 .*: ${reason}`, "ms"),
    );
  });
}

test("systemd-analyze finds no fault in the units, but an unknown key", async (t) => {
  const machine = await prepare(t, { hasSocket: true });
  if (machine === undefined) return;
  const verify = () => machine.run("systemd-analyze", "verify", "--man=no", SERVICE, SOCKET);
  assert.deepEqual(await verify(), { code: 0, stdout: "", stderr: "" });
  await machine.write(`${DROP_INS}/test.conf`, "[Service]\nProtectHomes=yes\n");
  assert.match((await verify()).stderr, /Unknown key 'ProtectHomes'/);
});

for (const { isHardened, outcome } of [
  { isHardened: true, outcome: "at most 2.0" },
  { isHardened: false, outcome: "more than 2.0 without the hardening" },
]) {
  test(`the exposure of the service is ${outcome}`, async (t) => {
    const analyze = findJudge(t, "systemd-analyze");
    if (analyze === undefined) return;
    const folder = await mkdtemp(join(tmpdir(), "units-"));
    t.after(() => rm(folder, { recursive: true }));
    const text = unitText(SERVICE);
    await writeFile(join(folder, SERVICE), isHardened ? text : text.replace(/^(Protect|Private|Restrict).*\n/gm, ""));
    const args = ["security", "--offline=true", `--threshold=${MAX_EXPOSURE}`, join(folder, SERVICE)];
    const { code, stdout } = await run(analyze, args);
    assert.equal(code === 0, isHardened, stdout);
    t.diagnostic(/exposure level.*: [\d.]+/.exec(stdout)?.[0] ?? stdout);
  });
}

test("the service has started when it serves, and a reload without TLS leaves it running", async (t) => {
  const machine = await prepare(t);
  if (machine === undefined) return;
  await machine.must("systemctl", "start", SERVICE);
  assert.ok(await isServing(machine));
  assert.match(await machine.property(SERVICE, "StatusText"), /^listening on http:/);
  const pid = await mainPid(machine);
  await machine.must("systemctl", "reload", SERVICE);
  await machine.until("the service has been reloaded", async () => {
    return (await machine.property(SERVICE, "ActiveState")) === "active";
  });
  assert.ok(await isServing(machine));
  assert.equal(await mainPid(machine), pid);
});

for (const { setting, service } of [
  { setting: "NotifyAccess=main", service: "NotifyAccess=main\nTimeoutStartSec=2" },
  { setting: "Type=exec", service: "Type=exec" },
]) {
  test(`with ${setting}, the service does not start, or starts before it serves`, async (t) => {
    const machine = await prepare(t, { service });
    if (machine === undefined) return;
    const { code } = await machine.run("systemctl", "start", SERVICE);
    assert.ok(code !== 0 || !(await isServing(machine)));
  });
}

/** Restarts the service several times while all clients call. Returns the counts of each client. */
async function restartUnderLoad(machine: Machine, restarts: number): Promise<Readonly<Record<string, Counts>>> {
  await machine.must("systemctl", "start", SERVICE);
  const load = machine.startNode(join(ROOT, "test/deploy/support/churn.ts"), AUTHORITY);
  let counts: Readonly<Record<string, Counts>> = {};
  const lines = createInterface({ input: load.stdout as NodeJS.ReadableStream });
  lines.on("line", (line) => {
    counts = JSON.parse(line);
  });
  /** Waits until each client has made some further calls without a loss. */
  async function untilCalled(): Promise<void> {
    const good = (of: typeof counts, name: string) => (of[name]?.made ?? 0) - (of[name]?.lost ?? 0);
    await machine.until("the clients call", () => Object.keys(counts).length > 0);
    const before = counts;
    await machine.until("all clients have called", () =>
      Object.keys(counts).every((name) => good(counts, name) - good(before, name) >= CALLS),
    );
  }
  try {
    for (let i = 0; i < restarts; i++) {
      await untilCalled();
      await machine.must("systemctl", "restart", SERVICE);
    }
    await untilCalled();
  } finally {
    load.stdin?.end();
    await once(lines, "close");
  }
  return counts;
}

function report(t: TestContext, counts: Readonly<Record<string, Counts>>): void {
  for (const [name, { made, lost }] of Object.entries(counts)) t.diagnostic(`${name}: ${lost} of ${made} calls lost`);
}

for (const [workers, delayMs] of [
  [1, 0],
  [2, 0],
  [2, 300],
]) {
  const name = `${workers} workers and a delay of ${delayMs} ms`;
  test(`${RESTARTS} restarts with the socket unit lose no call, with ${name}`, async (t) => {
    const environment = `WORKERS=${workers}\nDRAIN_DELAY_MS=${delayMs}`;
    const machine = await prepare(t, { hasSocket: true, environment });
    if (machine === undefined) return;
    const counts = await restartUnderLoad(machine, RESTARTS);
    report(t, counts);
    assert.deepEqual(
      Object.entries(counts).filter(([, { lost }]) => lost > 0),
      [],
    );
  });
}

test("a restart without the socket unit loses calls of clients that connect for each call", async (t) => {
  const machine = await prepare(t);
  if (machine === undefined) return;
  const counts = await restartUnderLoad(machine, 1);
  report(t, counts);
  for (const [name, { lost }] of Object.entries(counts)) if (/for each call/.test(name)) assert.ok(lost > 0, name);
});

for (const { isWanted, outcome } of [
  { isWanted: true, outcome: "starts the socket unit again" },
  { isWanted: false, outcome: "leaves the socket unit failed, if the service does not want it" },
]) {
  test(`a restart after invalid settings ${outcome}`, async (t) => {
    const unit = isWanted
      ? unitText(SERVICE)
      : unitText(SERVICE).replace(/^(Wants|After)=connect-server\.socket\n/gm, "");
    const machine = await prepare(t, { hasSocket: true, unit, environment: "GRACE_MS=bad" });
    if (machine === undefined) return;
    assert.ok(!(await isServing(machine)));
    await machine.until("the socket unit fails", async () => (await machine.property(SOCKET, "Result")) !== "success");
    assert.equal(await machine.property(SOCKET, "Result"), "service-start-limit-hit");
    await machine.remove("/etc/connect-server/environment");
    await machine.must("systemctl", "reset-failed", SERVICE); // in place of a wait for the end of the limit
    await machine.must("systemctl", "restart", SERVICE);
    assert.ok(await isServing(machine));
    assert.equal(await machine.property(SOCKET, "ActiveState"), isWanted ? "active" : "failed");
    assert.equal(/inherited sockets/.test(await journal(machine)), isWanted);
  });
}

/** Blocks the event loop of a process. */
async function block(machine: Machine, pid: string): Promise<void> {
  await machine.must("kill", "-STOP", pid);
}

test("the watchdog restarts a service with a blocked event loop", async (t) => {
  const machine = await prepare(t, { hasSocket: true, service: `WatchdogSec=${WATCHDOG_S}\nRestartSec=0` });
  if (machine === undefined) return;
  await machine.must("systemctl", "start", SERVICE);
  await sleep((WATCHDOG_S + 1) * 1_000); // a service that does not tell the watchdog would be restarted
  assert.equal(await machine.property(SERVICE, "NRestarts"), "0");
  await block(machine, await mainPid(machine));
  await machine.until("the service is restarted", async () => (await machine.property(SERVICE, "NRestarts")) === "1");
  await machine.until("the service serves", () => isServing(machine));
});

async function workersOf(machine: Machine): Promise<string[]> {
  const parent = await mainPid(machine);
  return (await machine.must("pgrep", "--parent", parent, "--full", "server.mjs")).trim().split("\n");
}

test("with the watchdog, a worker with a blocked event loop is replaced, and the service goes on", async (t) => {
  const machine = await prepare(t, { environment: "WORKERS=2", service: `WatchdogSec=${WATCHDOG_S}` });
  if (machine === undefined) return;
  await machine.must("systemctl", "start", SERVICE);
  const pid = await mainPid(machine);
  const [blocked = "", other = ""] = await workersOf(machine);
  await block(machine, blocked);
  await machine.until("the worker is replaced", async () => {
    const now = await workersOf(machine);
    return now.length === 2 && !now.includes(blocked);
  });
  assert.ok((await workersOf(machine)).includes(other));
  const [, ms] = /"event":"worker_blocked".*has not answered for (\d+) ms/.exec(await journal(machine)) ?? [];
  assert.ok(Number(ms) > WATCHDOG_S * 500 + 500, `${ms} ms`); // the second question takes 1 s
  assert.deepEqual([await mainPid(machine), await machine.property(SERVICE, "NRestarts")], [pid, "0"]);
});

test("a service whose sender of messages is killed starts another one, and tells systemd its state", async (t) => {
  const machine = await prepare(t, { service: `WatchdogSec=${WATCHDOG_S}` });
  if (machine === undefined) return;
  await machine.must("systemctl", "start", SERVICE);
  const pid = await mainPid(machine);
  const sender = () => machine.run("pgrep", "--parent", pid, "--exact", "sh");
  const { stdout: first } = await sender();
  await machine.must("kill", "-KILL", first.trim());
  await machine.until("another sender runs", async () => {
    const { code, stdout } = await sender();
    return code === 0 && stdout !== first;
  });
  await machine.must("systemctl", "reload", SERVICE);
  await machine.until("the service has been reloaded", async () => {
    return (await machine.property(SERVICE, "ActiveState")) === "active";
  });
  assert.deepEqual([await mainPid(machine), await machine.property(SERVICE, "NRestarts")], [pid, "0"]);
  assert.match(await journal(machine), /its sender ended with SIGKILL/);
});

test("without the watchdog, processes with a blocked event loop stay", async (t) => {
  const machine = await prepare(t, { environment: "WORKERS=2", service: "WatchdogSec=0\nRestartSec=0" });
  if (machine === undefined) return;
  await machine.must("systemctl", "start", SERVICE);
  const pid = await mainPid(machine);
  const workers = await workersOf(machine);
  for (const blocked of [...workers, pid]) await block(machine, blocked);
  await sleep((WATCHDOG_S + 2) * 1_000);
  assert.deepEqual([await mainPid(machine), await machine.property(SERVICE, "NRestarts")], [pid, "0"]);
  assert.deepEqual(await workersOf(machine), workers);
  await machine.must("kill", "-CONT", pid, ...workers);
});

for (const { setting, service, isLost } of [
  { setting: "TimeoutStopSec=1, which the server extends", service: "TimeoutStopSec=1", isLost: false },
  {
    setting: "TimeoutStopSec=1 and Type=exec",
    service: "TimeoutStopSec=1\nType=exec\nNotifyAccess=none",
    isLost: true,
  },
]) {
  test(`a stop ${isLost ? "cuts" : "waits for"} a call in flight, with ${setting}`, async (t) => {
    const machine = await prepare(t, { service });
    if (machine === undefined) return;
    await machine.must("systemctl", "start", SERVICE);
    await machine.until("the service serves", () => isServing(machine));
    const curl = "curl -sS --fail --upload-file - -X POST -H 'Content-Type: application/json'";
    const url = `http://${AUTHORITY}/grpc.health.v1.Health/Check`;
    const call = machine.run("sh", "-c", `(printf '{'; sleep 3; printf '}') | ${curl} ${url}`);
    await machine.until("the call is in flight", async () =>
      /50051/.test(await machine.must("ss", "--tcp", "--numeric", "--no-header", "state", "established")),
    );
    await machine.must("systemctl", "stop", SERVICE);
    assert.equal((await call).code !== 0, isLost);
    assert.equal(await machine.property(SERVICE, "Result"), isLost ? "timeout" : "success");
  });
}

/** Returns a function that writes the certificate of a new authority, and one that connects with trust in the newest. */
async function certificates(machine: Machine) {
  async function renew(): Promise<void> {
    const authority = await createAuthority("CN=authority");
    const { cert, key } = await authority.issue({ subject: "CN=server", names: [{ type: "ip", value: "127.0.0.1" }] });
    await machine.write("/etc/connect-server/tls.crt", cert);
    await machine.write("/etc/connect-server/tls.key", key, 0o600);
    await machine.write("/etc/connect-server/authority.crt", authority.cert);
  }
  async function isNewest(): Promise<boolean> {
    const curl = ["curl", "--silent", "--fail", "--cacert", "/etc/connect-server/authority.crt"];
    return (await machine.run(...curl, `https://${AUTHORITY}/healthz`)).code === 0;
  }
  await renew();
  return { renew, isNewest };
}

test("with the drop-in for TLS, a key of root is used, and a restart takes a renewed one", async (t) => {
  const machine = await prepare(t, { hasSocket: true });
  if (machine === undefined) return;
  const { renew, isNewest } = await certificates(machine);
  await machine.write(`${DROP_INS}/tls.conf`, unitText("tls.conf"));
  await machine.must("systemctl", "daemon-reload");
  await machine.must("systemctl", "start", SERVICE);
  assert.ok(await isNewest());
  await renew();
  await machine.must("systemctl", "reload", SERVICE);
  assert.ok(!(await isNewest()), "systemd renews credentials at a reload: simplify the drop-in");
  await machine.must("systemctl", "restart", SERVICE);
  assert.ok(await isNewest());
});

for (const { canRead, workers, outcome } of [
  { canRead: true, workers: 1, outcome: "a reload takes a renewed certificate, and the process goes on" },
  { canRead: true, workers: 2, outcome: "a reload renews the certificate of both workers" },
  { canRead: false, workers: 2, outcome: "a reload keeps the certificate if its files cannot be read" },
]) {
  test(`with files that the group of the service may read, ${outcome}`, async (t) => {
    const machine = await prepare(t, {
      environment: `WORKERS=${workers}\nTLS_CERT=/etc/connect-server/tls.crt\nTLS_KEY=/etc/connect-server/tls.key`,
      service: "SupplementaryGroups=connect-server-tls",
    });
    if (machine === undefined) return;
    const { renew, isNewest } = await certificates(machine);
    const allow = () =>
      machine.must(
        "sh",
        "-c",
        "chgrp connect-server-tls /etc/connect-server/tls.key && chmod 640 /etc/connect-server/tls.key",
      );
    await machine.must("groupadd", "--force", "--system", "connect-server-tls");
    await allow();
    await machine.must("systemctl", "start", SERVICE);
    assert.ok(await isNewest());
    const pid = await mainPid(machine);
    await renew();
    await machine.must("chmod", "600", "/etc/connect-server/tls.key");
    if (canRead) await allow();
    else await machine.must("chgrp", "root", "/etc/connect-server/tls.key");
    await machine.must("systemctl", "reload", SERVICE);
    await machine.until("systemd knows the result", async () => {
      const status = await machine.property(SERVICE, "StatusText");
      const state = await machine.property(SERVICE, "ActiveState");
      return canRead ? state === "active" && (await isNewest()) : /the last reload failed/.test(status);
    });
    for (let i = 0; i < workers; i++) assert.equal(await isNewest(), canRead); // workers get connections in turn
    assert.equal(await mainPid(machine), pid);
  });
}
