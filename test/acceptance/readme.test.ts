/** The README's commands do what it says, at the address that the post's client has in it. */
import assert from "node:assert/strict";
import { access, cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { newestResults } from "../../bench/newest.ts";
import { ENV, ROOT, run } from "../support/command.ts";
import { absent, findJudge, findPython, PYTHON } from "../support/judge.ts";
import { startProcess } from "../support/process.ts";

/** A row of the benchmark's results. */
interface Cell {
  readonly name: string;
  readonly cpuMicroseconds: { readonly median: number };
  readonly bytes: { readonly request: number; readonly answer: number };
  readonly latencyMilliseconds: { readonly p50: number; readonly p99: number };
}

const README = await readFile(join(ROOT, "README.md"), "utf8");
const [start = [], tests = [], call = []] = [...README.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, lines = ""]) =>
  lines.trim().split("\n"),
);

test("the README starts and tests with one line each, over scripts that exist, and CI runs the second", async () => {
  assert.deepEqual([start, tests], [["npm ci && npm start"], ["npm test"]]);
  const { scripts } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  assert.ok("start" in scripts && "test" in scripts);
  assert.match(await readFile(join(ROOT, ".ci/run"), "utf8"), /^npm ci\n(?:.*\n)*npm test$/m);
});

test("an unknown key in the user's ~/.npmrc adds nothing to what a line of the README prints", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "npmrc-"));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "npmrc"), "nonsense=1\n");
  const env = { ...ENV, NPM_CONFIG_USERCONFIG: join(folder, "npmrc") };
  const { code, stderr } = await run("npx", ["buf", "--version"], { env });
  assert.deepEqual([code, stderr], [0, ""]);
});

test("every link in the README leads to a file", async () => {
  const paths = [...README.matchAll(/\]\((?!https:)([^)]+)\)/g)].map(([, path = ""]) => path);
  assert.ok(paths.length > 5);
  for (const path of paths) await access(join(ROOT, path));
});

test("the README's figures are those of the newest results of the benchmark", async () => {
  const { cells }: { cells: Cell[] } = JSON.parse(await readFile(newestResults(), "utf8"));
  const cell = (name: string): Cell => cells.find((each) => each.name === name) as Cell;
  const rows = [...README.matchAll(/^\| (?:JSON|gRPC|Connect JSON) over .*\|$/gm)].map(([row]) =>
    row
      .slice(1, -1)
      .split("|")
      .slice(1)
      .map((value) => value.trim()),
  );
  const wanted = [
    "this server: Connect json over HTTP/1.1, 64 x 1",
    "this server: gRPC proto over HTTP/2, 64 x 1",
    "this server: gRPC proto over HTTP/2, 4 x 16",
    "this server: Connect json over HTTP/2, 4 x 16",
  ].map((name) => {
    const { cpuMicroseconds, bytes, latencyMilliseconds } = cell(name);
    const { p50, p99 } = latencyMilliseconds;
    return [
      cpuMicroseconds.median.toPrecision(3),
      bytes.request.toFixed(0),
      bytes.answer.toFixed(0),
      p50.toFixed(3),
      p99.toFixed(3),
    ];
  });
  assert.deepEqual(rows, wanted);
  const others = [...README.matchAll(/^\|.*\| (?:gRPC|Connect JSON|JSON) over HTTP\/[\d.]+ +\|.*\|$/gm)].map(([row]) =>
    row
      .split("|")
      .slice(3, 5)
      .map((value) => value.trim()),
  );
  const servers = ["this server", "nghttpd", "grpc-go", "grpc-js", "grpcio", "connect-node"];
  assert.deepEqual(others, [
    ...servers.map((server) => ["4", cpu(`${server}: gRPC proto over HTTP/2, 4 x 16`)]),
    ...["this server", "fastify"].map((server) => ["64", cpu(`${server}: Connect json over HTTP/1.1, 64 x 1`)]),
  ]);

  function cpu(name: string): string {
    return cell(name).cpuMicroseconds.median.toPrecision(3);
  }
});

test("after npm start, each line under Call answers 3", async (t) => {
  if (!(await startAtTheDefault(t))) return;
  assert.equal(call.length, 6);
  for (const line of call) {
    await t.test(line, async (t) => {
      const [program = ""] = line.split(" ");
      if ((line.includes("python3") ? await findGrpcPython(t) : findJudge(t, program)) === undefined) return;
      const { code, stdout, stderr } = await run("sh", ["-c", line.replaceAll("python3", PYTHON)]);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /sum"?: ?3\b/);
    });
  }
});

test("the post's Python client, on stubs made by the post's script and on those printed in it, ends as in the post", async (t) => {
  if ((await findGrpcPython(t)) === undefined || !(await startAtTheDefault(t))) return;
  const folder = await mkdtemp(join(tmpdir(), "post-"));
  t.after(() => rm(folder, { recursive: true }));
  await cp(join(ROOT, "test/fixtures/post"), folder, { recursive: true });
  const stubs = join(folder, "python_out");
  await rm(stubs, { recursive: true, force: true });
  await mkdir(stubs);
  const transcript = await readFile(join(folder, "transcript.txt"), "utf8");
  const ended = { code: 0, stdout: `${transcript}\n`, stderr: "" }; // print ends the line that the message had ended

  const env = { ...process.env, PYTHONPATH: stubs };
  assert.equal((await run(PYTHON, ["run_codegen.py"], { cwd: folder })).code, 0);
  assert.deepEqual(await run(PYTHON, ["client.py"], { cwd: folder, env }), ended);

  await cp(join(folder, "printed"), stubs, { recursive: true });
  const old = { ...env, PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION: "python" }; // the default one refuses stubs of 2019
  assert.deepEqual(await run(PYTHON, ["client.py"], { cwd: folder, env: old }), ended);
});

/** False where the test is skipped since something else has the port. */
async function startAtTheDefault(t: TestContext): Promise<boolean> {
  const started = await startProcess(t, "npm", "start").catch((error: Error) => absent(t, error.message));
  if (started === undefined) return false;
  assert.equal(started.authority, "127.0.0.1:50051");
  return true;
}

function findGrpcPython(t: TestContext): Promise<string | undefined> {
  return findPython(t, "grpc", "grpc_tools");
}
