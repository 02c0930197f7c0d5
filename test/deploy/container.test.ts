/** Tests the image of deploy/Containerfile in real containers. Each promise of the image is tested without its setting, too. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ROOT, run } from "../support/command.ts";
import { absent, findJudge, findProgram, PYTHON } from "../support/judge.ts";
import { connectTo } from "../support/raw.ts";
import { buildImage, deriveImage, IMAGE_TOOLS, type Image, listFiles } from "./support/image.ts";
import { CONFINED, type Container, inspectImage, startContainer } from "./support/podman.ts";
import { checkCalls, checkPage } from "./support/served.ts";

const CONTAINERFILE = readFileSync(join(ROOT, "deploy/Containerfile"), "utf8");
const NODE = "/usr/local/bin/node";
const TOOLS = [...IMAGE_TOOLS, "podman", "runc"];
const MISSING = process.getuid?.() === 0 ? TOOLS.filter((name) => findProgram(name) === undefined) : ["root"];

/** A cold build on a busy machine takes a minute. */
const LIMITS = { timeout: 300_000 };

let built: Promise<Image> | undefined;

/** Defines a test of the image. The first one builds it. */
function testImage(name: string, body: (t: TestContext, image: Image) => Promise<void>): void {
  test(name, LIMITS, async (t) => {
    if (MISSING.length > 0) return absent(t, `${MISSING.join()} is missing`);
    built ??= buildImage();
    await body(t, await built);
  });
}

test("hadolint accepts the Containerfile, but not with an entry point through a shell", async (t) => {
  const inVenv = join(dirname(PYTHON), "hadolint");
  const hadolint = findJudge(t, "hadolint", ...(inVenv.startsWith("/") ? [inVenv] : []));
  if (hadolint === undefined) return;
  const lint = (input: string) => run(hadolint, ["-"], { input });
  assert.deepEqual(await lint(CONTAINERFILE), { code: 0, stdout: "", stderr: "" });
  const shell = CONTAINERFILE.replace(/^ENTRYPOINT .*/m, "ENTRYPOINT node server.mjs");
  assert.match((await lint(shell)).stdout, /DL3025/);
});

testImage(
  "a build copies the sources only, but without .dockerignore also packages, keys and the history",
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "context-"));
    t.after(() => rm(folder, { recursive: true }));
    const sources = ["package.json", "src/main.ts", "web/build.ts"];
    const others = [
      ".git/HEAD",
      ".tools/x",
      "node_modules/x",
      "bench/node_modules/x",
      "web/dist/x",
      "build/x",
      ...[".ci", "docs", "examples", "python_out", "test"].map((folder) => `${folder}/x`),
      ...["bench/.build/x", "dist/x"],
      ...[".env", ".env.local", ".npmrc", "x.key", "x.p12", "x.pem", "x.pfx", "id_rsa"].flatMap((x) => [x, `a/${x}`]),
    ];
    for (const path of [...sources, ...others]) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), "");
    }
    assert.deepEqual(await listFiles(folder), [...sources, ...others].sort());
    await cp(join(ROOT, ".dockerignore"), join(folder, ".dockerignore"));
    assert.deepEqual(await listFiles(folder), [".dockerignore", ...sources].sort());
  },
);

testImage("the image has a user, a health check, labels, a port and a signal", async (t, image) => {
  const { Size, Healthcheck, Config } = await inspectImage(image);
  const { User, Labels, ExposedPorts, StopSignal, Entrypoint } = Config;
  assert.deepEqual([User, ExposedPorts, StopSignal], ["65532:65532", { "50051/tcp": {} }, "SIGTERM"]);
  assert.deepEqual(Healthcheck.Test, ["CMD", NODE, "server.mjs", "probe"]);
  assert.equal(Entrypoint[0], NODE);
  const labels = Object.entries(Labels).filter(([name]) => name.startsWith("org.opencontainers.image."));
  assert.deepEqual(labels.map(([name, value]) => `${name.split(".").at(-1)} ${value}`).sort(), [
    "description A server for gRPC, gRPC-Web and Connect on one port",
    "revision abc",
    "title connect-server",
    "version 1.2.3",
  ]);
  t.diagnostic(`size of the image: ${Math.round(Size / 1e6)} MB`);
});

// These tests mostly wait.
describe("containers", { concurrency: 2, ...LIMITS }, () => {
  testImage(
    "a confined container of 256 MiB serves, is healthy, and stops without losing the call in flight",
    async (t, image) => {
      const container = await startContainer(t, image, ...CONFINED, "--memory", "256m", "--env", "PAGE=on");
      t.diagnostic(`from the command to the server's first line: ${Math.round(container.startMs)} ms`);
      await checkCalls(container.authority);
      await checkPage(container.authority);
      assert.deepEqual(await confinement(container), CONFINEMENT);
      assert.deepEqual(await container.checkHealth(), [0, "healthy"]);
      const { code, stdout } = await container.exec(NODE, "server.mjs", "probe");
      assert.deepEqual([code, stdout.trim()], [0, "status: SERVING"]);
      assert.ok((await heapMiB(container)) <= 160); // 60 % and some MiB of young objects
      const { exitCode, response, delayMs } = await stopDuringCall(container, 30);
      assert.equal(exitCode, 0);
      assert.match(response, /^HTTP\/1\.1 200 .*\{"status":"(?:NOT_)?SERVING"\}/s);
      assert.equal(delayMs, 5_000);
    },
  );

  testImage("through a shell, the entry point gets no signal: the call in flight is lost", async (t, image) => {
    const shell = await deriveImage(
      "localhost/connect-server-shell",
      `FROM ${image.name}`,
      "COPY --from=localhost/connect-server-build /bin/dash /bin/sh",
      `ENTRYPOINT ${NODE} server.mjs; exit $?`,
    );
    const { exitCode, response } = await stopDuringCall(await startContainer(t, shell, ...CONFINED), 1);
    assert.deepEqual([exitCode, response], [137, ""]);
  });

  testImage("with a drain delay of 0, new connections are refused at once", async (t, image) => {
    const container = await startContainer(t, image, ...CONFINED, "--env", "DRAIN_DELAY_MS=0");
    const { exitCode, delayMs } = await stopDuringCall(container, 30);
    assert.deepEqual([exitCode, delayMs], [0, undefined]);
  });

  testImage("without HOST, nobody reaches the container", async (t, image) => {
    const container = await startContainer(t, image, ...CONFINED, "--unsetenv", "HOST");
    await assert.rejects(checkCalls(container.authority));
    assert.deepEqual(await container.checkHealth(), [0, "healthy"]);
  });

  testImage(
    "as root, with a writable root and with capabilities, the container is seen not to be confined",
    async (t, image) => {
      const container = await startContainer(t, image, "--user", "0");
      assert.deepEqual(await confinement(container), {
        user: 0,
        writable: true,
        capabilities: true,
        newPrivileges: true,
      });
    },
  );

  testImage("without health, the health check fails", async (t, image) => {
    const container = await startContainer(t, image, ...CONFINED, "--env", "HEALTH=off");
    assert.deepEqual(await container.checkHealth(), [1, "starting"]); // until it has failed three times
  });

  testImage("without the flag for the heap, it may be larger than the container", async (t, image) => {
    const entry = JSON.stringify([NODE, "server.mjs"]);
    const container = await startContainer(t, image, ...CONFINED, "--memory", "256m", "--entrypoint", entry);
    assert.ok((await heapMiB(container)) >= 256);
  });
});

const CONFINEMENT = { user: 65_532, writable: false, capabilities: false, newPrivileges: false };

/** Returns what a process in the container may do. */
async function confinement(container: Container): Promise<object> {
  const { stdout, stderr } = await container.exec(NODE, "-e", CONFINEMENT_PROGRAM);
  assert.equal(stderr, "");
  return JSON.parse(stdout);
}

const CONFINEMENT_PROGRAM = `
const fs = require("node:fs");
const status = fs.readFileSync("/proc/self/status", "utf8");
let writable = true;
try { fs.writeFileSync("/app/x", ""); } catch (error) { writable = error.code !== "EROFS"; }
const capabilities = Number("0x" + /CapEff:\\s*(\\w+)/.exec(status)[1]) !== 0;
const newPrivileges = /NoNewPrivs:\\s*0/.test(status);
console.log(JSON.stringify({ user: process.getuid(), writable, capabilities, newPrivileges }));
`;

/** Returns the memory by which the server has lowered its limits: that of the container, or of V8's heap if that is less. */
async function heapMiB(container: Container): Promise<number> {
  const lowered = (await container.records()).find(({ event }) => event === "limits_lowered");
  const [, mebibytes] = / for (\d+)MiB of memory/.exec(lowered?.message ?? "") ?? [];
  return Number(mebibytes);
}

/** The first part of a call of health over HTTP/1.1. Its last byte is missing. */
const UNFINISHED_CALL =
  "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{";

/**
 * Stops the container while a call is in flight, and ends the call when the port has closed. `response` is that of the call.
 * `delayMs` is the delay that the log announced, if a connection was accepted after that.
 */
async function stopDuringCall(container: Container, seconds: number): Promise<StoppedDuringCall> {
  const socket = await connectTo(container.authority);
  let response = "";
  socket
    .on("error", () => {})
    .on("data", (data) => {
      response += data;
    });
  socket.write(UNFINISHED_CALL);
  await checkCalls(container.authority); // so the server has read the call
  const stopped = container.stop(seconds);
  let delayMs: unknown;
  for (;;) {
    const draining = (await container.records()).find(({ event }) => event === "draining");
    if (!(await isAccepted(container.authority))) break;
    delayMs ??= draining?.delayMs;
    await sleep(100);
  }
  socket.write("}");
  return { exitCode: await stopped, response, delayMs };
}

interface StoppedDuringCall {
  readonly exitCode: number;
  readonly response: string;
  readonly delayMs: unknown;
}

/** True if the server accepts a connection and responds. A port that podman forwards can accept without a server. */
async function isAccepted(authority: string): Promise<boolean> {
  const signal = AbortSignal.timeout(2_000);
  return fetch(`http://${authority}/healthz`, { signal }).then(
    () => true,
    () => false,
  );
}
