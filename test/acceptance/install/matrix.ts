/** Installs, starts and calls a fresh clone with other versions of Node and npm: `tools/node.sh --test test/acceptance/install/matrix.ts`. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { describe, test } from "node:test";
import { ROOT, run as runProgram } from "../../support/command.ts";
import { installWithNode } from "../../support/node-versions.ts";
import { killGroup, startProcessIn } from "../../support/process.ts";

/**
 * Versions of Node, each with an npm that came with it, and the newest npm. npm before 11.6.2 leaves no
 * node_modules/.bin/node.
 */
const MATRIX = [
  { node: "20.20.2", npm: "10.8.2" },
  { node: "22.21.1", npm: "10.9.4" },
  { node: "24.8.0", npm: "11.6.0" },
  { node: "24.22.3", npm: "12" },
];
const TIMEOUT_MS = 300_000;

describe("install, start, call and generate in a fresh clone", { concurrency: 2 }, () => {
  for (const { node, npm } of MATRIX) {
    test(`with Node ${node} and npm ${npm}`, { timeout: TIMEOUT_MS }, async (t) => {
      const folder = await mkdtemp(join(tmpdir(), "install "));
      t.after(() => rm(folder, { recursive: true }));
      const env = await installTools(folder, node, npm);
      const clone = join(folder, "a clone");
      async function run(command: string, ...args: string[]): Promise<string> {
        const { code, stdout, stderr } = await runProgram(command, args, { cwd: clone, env, timeout: TIMEOUT_MS });
        assert.equal(code, 0, `${command} ${args.join(" ")}\n${stderr}`);
        return stdout + stderr;
      }
      await mkdir(clone);
      await run("git", "clone", "--quiet", ROOT, ".");
      assert.equal(await run("sh", "-c", "node --version"), `v${node}\n`);
      t.diagnostic(`npm ${(await run("npm", "--version")).trim()}`);

      const started = performance.now();
      const installed = await run("npm", "ci");
      const seconds = ((performance.now() - started) / 1_000).toFixed(1);
      t.diagnostic(`npm ci: ${seconds} s, lines with EBADENGINE: ${installed.match(/EBADENGINE/g)?.length ?? 0}`);
      assert.equal(await run("tools/node.sh", "-p", "process.version"), `${process.version}\n`);

      const { child, exit, authority } = await startProcessIn(t, clone, env, "npm", "start", "--", "--port", "0");
      const check = `http://${authority}/grpc.health.v1.Health/Check`;
      const called = await fetch(check, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}",
      });
      assert.deepEqual(await called.json(), { status: "SERVING" });
      const { headers } = await fetch(`http://${authority}/`, { headers: { accept: "text/html" } });
      assert.match(String(headers.get("content-type")), /^text\/html/);
      child.kill("SIGTERM");
      assert.equal(await exit, 0);
      assert.equal(killGroup(child, 0), false);

      await run("npm", "run", "generate");
      assert.equal(await run("git", "status", "--porcelain"), "");
    });
  }
});

/** Installs this Node and npm. Returns an environment with both first on PATH. */
async function installTools(folder: string, node: string, npm: string): Promise<NodeJS.ProcessEnv> {
  const program = await installWithNode(folder, node, `npm@${npm}`);
  const bin = join(folder, "bin");
  await mkdir(bin);
  for (const [name, path] of Object.entries({
    node: program,
    npm: join(folder, "node_modules/npm/bin/npm-cli.js"),
    npx: join(folder, "node_modules/npm/bin/npx-cli.js"),
  })) {
    await symlink(path, join(bin, name));
  }
  // The programs of this repository's packages must not stand in for the clone's.
  const systemPath = (process.env.PATH ?? "").split(delimiter).filter((path) => !path.includes("node_modules"));
  return { ...process.env, PATH: [bin, ...systemPath].join(delimiter) };
}
