/** Tests npm run dev: it restarts after each kind of save, generates and builds before, and leaves no process. */
import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { appendFile, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ENV, run } from "../support/command.ts";
import { copyRepository } from "../support/own-contract.ts";
import { killGroup, type RunningProcess, startProcessIn } from "../support/process.ts";

const POLL_MS = 20;

/** The ways in which programs save a file. */
const SAVES: Record<string, (path: string, contents: string) => Promise<void>> = {
  "in place": (path, contents) => writeFile(path, contents),
  async "by renaming a new file over it"(path, contents) {
    await writeFile(`${path}.tmp`, contents);
    await rename(`${path}.tmp`, path);
  },
  async "by renaming it to a backup, as vim does"(path, contents) {
    await rename(path, `${path}~`);
    await writeFile(path, contents);
  },
};

test("each save restarts the server, however the file is saved and as often", async (t) => {
  const { folder, dev } = await startDev(t);
  let restarts = 1;
  for (const [name, save] of Object.entries(SAVES)) {
    for (const error of ["first", "second"]) {
      const path = join(folder, "src/main.ts");
      const source = (await readFile(path, "utf8")).replace(/$/, `// saved ${name}: ${error}\n`);
      await save(path, source);
      await listens(t, dev, ++restarts);
    }
  }
  await sleep(500); // no save is reported twice
  assert.equal(starts(dev), restarts);
});

test("git checkout restarts it, with folders that come and go, and it serves the branch", async (t) => {
  const { folder, dev } = await startDev(t, async (folder) => {
    await git(folder, "init", "-b", "one");
    await git(folder, "add", "src");
    await git(folder, "commit", "-m", "one");
    await git(folder, "checkout", "-b", "two");
    await mkdir(join(folder, "src/added"));
    await writeFile(join(folder, "src/added/branch.ts"), 'console.log("branch two");\n');
    await replace(join(folder, "src/main.ts"), "import", 'import "./added/branch.ts";\nimport');
    await git(folder, "add", "src");
    await git(folder, "commit", "-m", "two");
    await git(folder, "checkout", "one");
  });
  for (const [restarts, branch] of [
    [2, "two"],
    [3, "one"],
    [4, "two"],
  ] as const) {
    await git(folder, "checkout", branch);
    await listens(t, dev, restarts);
    assert.equal(dev.stdout().trimEnd().split("listening").at(-2)?.includes("branch two\n"), branch === "two");
  }
  await appendFile(join(folder, "src/added/branch.ts"), "// in a new folder\n");
  await listens(t, dev, 5);
});

test("a changed contract is generated before the restart", async (t) => {
  const { folder, dev } = await startDev(t);
  const [name = ""] = contracts(folder);
  const proto = join(folder, "proto", name);
  await SAVES["by renaming a new file over it"]?.(proto, `${await readFile(proto, "utf8")}\nmessage Added {}\n`);
  await listens(t, dev, 2);
  assert.match(await readFile(join(folder, "gen", name.replace(".proto", "_pb.ts")), "utf8"), /AddedSchema/);
});

test("a contract that is broken leaves the server as it is", async (t) => {
  const { folder, dev } = await startDev(t);
  const [name = ""] = contracts(folder);
  await appendFile(join(folder, "proto", name), "\nmassage Broken {}\n");
  await until(t, () => /npm run generate failed/.test(dev.stderr()));
  assert.equal((await fetch(`http://${dev.authority}/`)).status, 200);
});

test("a changed page is built before the restart", async (t) => {
  const { folder, dev } = await startDev(t);
  await replace(join(folder, "web/index.html"), "</title>", " built again</title>");
  await listens(t, dev, 2);
  assert.match(await readFile(join(folder, "web/dist/index.html"), "utf8"), / built again<\/title>/);
});

test("a server that fails is started again after the next change", async (t) => {
  const { folder, dev } = await startDev(t);
  const path = join(folder, "src/routes.ts");
  await replace(path, "export", "exprot");
  await until(t, () => /the server failed; waiting for a change/.test(dev.stderr()));
  await replace(path, "exprot", "export");
  await listens(t, dev, 2);
});

for (const { name, send } of [
  { name: "SIGTERM to npm", send: ({ child }: RunningProcess) => child.kill("SIGTERM") },
  { name: "^C, which reaches every process", send: ({ child }: RunningProcess) => killGroup(child, "SIGINT") },
]) {
  test(`${name} stops it with exit 0 and leaves no process behind`, async (t) => {
    const { folder, dev } = await startDev(t);
    await appendFile(join(folder, "src/routes.ts"), "// after a restart\n");
    await listens(t, dev, 2);
    send(dev);
    assert.equal(await dev.exit, 0);
    assert.equal(killGroup(dev.child, 0), false);
  });
}

/** Runs npm run dev in a copy of the repository, after `prepare`. */
async function startDev(
  t: TestContext,
  prepare: (folder: string) => Promise<void> = async () => {},
): Promise<{ folder: string; dev: RunningProcess }> {
  const folder = await copyRepository(t);
  await prepare(folder);
  const dev = await startProcessIn(t, folder, ENV, "npm", "run", "dev", "--", "--port", "0");
  return { folder, dev };
}

/** Returns the paths of the contracts below proto/. */
const contracts = (folder: string): string[] => globSync("**/*.proto", { cwd: join(folder, "proto") });

const starts = ({ stdout }: RunningProcess): number => stdout().match(/^listening on /gm)?.length ?? 0;

/** Waits until the server has started this many times. */
const listens = (t: TestContext, dev: RunningProcess, times: number): Promise<void> =>
  until(t, () => starts(dev) >= times);

/** Rejects when the time of the test is up. */
async function until(t: TestContext, condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(POLL_MS, undefined, { signal: t.signal });
}

async function replace(path: string, from: string, to: string): Promise<void> {
  const text = await readFile(path, "utf8");
  assert.ok(text.includes(from), `${path} has ${from}`);
  await writeFile(path, text.replace(from, to));
}

async function git(folder: string, ...args: string[]): Promise<void> {
  const user = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
  const { code, stderr } = await run("git", [...user, ...args], { cwd: folder });
  assert.equal(code, 0, stderr);
}
