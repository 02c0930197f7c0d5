/**
 * Tests the adapters in Fastify and Express, with their packages of tests/package.json: `tools/node.sh
 * test/acceptance/frameworks/run.ts`. Works in a copy of the repository.
 */
import assert from "node:assert/strict";
import { cp, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { ENV, ROOT, run } from "../../support/command.ts";

const TESTS = "test/acceptance/frameworks/tests";
const TIMEOUT_MS = 300_000;
const PROGRAMS = [dirname(process.execPath), ENV.PATH].join(delimiter);

const copy = await mkdtemp(join(tmpdir(), "frameworks-"));
try {
  for (const folder of ["src", "gen", "test", "package.json"])
    await cp(join(ROOT, folder), join(copy, folder), {
      recursive: true,
      filter: (path) => !path.endsWith("/node_modules"),
    });
  await symlink(join(ROOT, "node_modules"), join(copy, "node_modules"));
  for (const command of ["npm ci", "npm test"]) {
    const options = { cwd: join(copy, TESTS), env: { ...ENV, PATH: PROGRAMS }, timeout: TIMEOUT_MS };
    const { code, stdout, stderr } = await run("sh", ["-c", command], options);
    assert.equal(code, 0, `${command}\n${stdout}${stderr}`);
    console.log(stdout);
  }
} finally {
  await rm(copy, { recursive: true });
}
