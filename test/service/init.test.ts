/** Tests npm run init in copies of the repository: its refusals, the rules for names, and the repository that it makes. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { appendFile, cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { readPackage } from "../../tools/init/package-name.ts";
import { ENV, type Result, ROOT, run } from "../support/command.ts";

/** It generates code, builds the page and formats, which takes long on a busy machine. */
const TIMEOUT_MS = 240_000;

/** A repository with one commit. The tests that use it leave it without changes. */
const REPOSITORY = await makeRepository();
after(() => rm(REPOSITORY, { recursive: true }));

test("without a package, with two or with --help, it prints the usage and changes nothing", async () => {
  for (const [args, code] of [
    [[], 2],
    [["acme.eliza.v1", "acme.shop.v1"], 2],
    [["--help"], 0],
  ] as const) {
    const { code: ended, stdout, stderr } = await init(REPOSITORY, ...args);
    assert.equal(ended, code);
    assert.match(code === 0 ? stdout : stderr, /^usage: npm run init -- PACKAGE\n/);
  }
  assert.equal(await git(REPOSITORY, "status", "--porcelain"), "");
});

for (const name of [
  "",
  "v1",
  "eliza",
  "acme.eliza",
  "Acme.eliza.v1",
  "acme.Eliza.v1",
  "acme.eliza-bot.v1",
  "acme..v1",
  ".acme.v1",
  "acme.eliza.v1.",
  "acme.1st.v1",
  "acme._eliza.v1",
  "acme.eliza_.v1",
  "acme.my__eliza.v1",
  "acme.eliza.v0",
  "acme.eliza.v1p1",
  "acme.eliza.v1beta0",
  "acme.eliza.v1testX",
  "acme/eliza/v1",
  "acme.eliza.v1\n",
  "../eliza.v1",
]) {
  test(`the package ${JSON.stringify(name)} is refused with the rule and an example`, () => {
    const problem = readPackage(name);
    assert.ok(typeof problem === "string");
    assert.match(problem, /lower_snake_case .* version like v1 or v1beta1, such as acme\.eliza\.v1$/);
  });
}

for (const name of ["google.protobuf.v1", "grpc.health.v1", "grpc.v1", "health.v1", "calls.v1"]) {
  test(`the package ${name} is refused because others have it`, () => {
    assert.match(String(readPackage(name)), /is taken; choose another/);
  });
}

for (const [name, file] of [
  ["acme.main.v1", "src/main.ts"],
  ["routes.v1", "src/routes.ts"],
  ["acme.documents.v1", "test/service/documents.test.ts"],
] as const) {
  test(`the package ${name} is refused because another file has that name`, () => {
    assert.match(String(readPackage(name)), new RegExp(`would replace ${file}; choose another`));
  });
}

/** Packages that are valid, with the names that follow from them: path, service and file. */
const VALID: Readonly<Record<string, readonly [path: string, service: string, file: string]>> = {
  "acme.eliza.v1": ["acme/eliza/v1/eliza", "ElizaService", "eliza"],
  "eliza.v12": ["eliza/v12/eliza", "ElizaService", "eliza"],
  "acme.order_book2.v1beta3": ["acme/order_book2/v1beta3/order_book2", "OrderBook2Service", "order-book2"],
  "acme.user_service.v1p2alpha1": ["acme/user_service/v1p2alpha1/user_service", "UserService", "user-service"],
  "acme.class.v1test_x": ["acme/class/v1test_x/class", "ClassService", "class"],
  "package.message.v1alpha": ["package/message/v1alpha/message", "MessageService", "message"],
};

for (const [name, [path, service, file]] of Object.entries(VALID)) {
  test(`the names of ${name}`, () => {
    assert.deepEqual(readPackage(name), { package: name, path, service, file });
  });
}

test("buf lint accepts the contract of each valid name", async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, "buf.yaml"), "version: v2\nmodules:\n  - path: proto\nlint:\n  use:\n    - STANDARD\n");
  const template = await readFile(join(ROOT, "tools/init/service.proto.txt"), "utf8");
  for (const [name, [path, service]] of Object.entries(VALID)) {
    const file = join(folder, "proto", `${path}.proto`);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, template.replaceAll("{package}", name).replaceAll("{service}", service));
  }
  assert.deepEqual(await run("buf", ["lint"], { cwd: folder }), { code: 0, stdout: "", stderr: "" });
});

/** Changes that are not committed, each with the line of git that the refusal shows. */
const CHANGES: readonly (readonly [name: string, line: RegExp, change: (folder: string) => Promise<unknown>])[] = [
  ["a changed file", / M src\/sum\.ts/, (folder) => appendFile(join(folder, "src/sum.ts"), "// mine\n")],
  ["a staged file", /A {2}mine\.ts/, addFile],
  ["a removed file", / D src\/sum\.ts/, (folder) => rm(join(folder, "src/sum.ts"))],
  ["an untracked file", /\?\? src\/client\/mine\.ts/, (folder) => writeFile(join(folder, "src/client/mine.ts"), "")],
];

for (const [name, line, change] of CHANGES) {
  test(`${name} that is not committed is refused, and stays`, async () => {
    await change(REPOSITORY);
    const before = await git(REPOSITORY, "status", "--porcelain");
    const { code, stdout, stderr } = await init(REPOSITORY, "acme.eliza.v1");
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /^init: commit or stash your changes first, untracked files included:\n/);
    assert.match(stderr, line);
    assert.equal(await git(REPOSITORY, "status", "--porcelain"), before);
    await restore(REPOSITORY);
  });
}

for (const mark of ["assume-unchanged", "skip-worktree"]) {
  test(`a changed file that is marked as ${mark} is refused, and stays`, async () => {
    await git(REPOSITORY, "update-index", `--${mark}`, "src/routes.ts");
    await appendFile(join(REPOSITORY, "src/routes.ts"), "// mine\n");
    assert.equal(await git(REPOSITORY, "status", "--porcelain"), "");
    assertRefused(await init(REPOSITORY, "acme.eliza.v1"), /^git does not report changes of src\/routes\.ts: /);
    assert.match(await readFile(join(REPOSITORY, "src/routes.ts"), "utf8"), /mine\n$/);
    await git(REPOSITORY, "update-index", `--no-${mark}`, "src/routes.ts");
    await restore(REPOSITORY);
  });
}

test("if git cannot list the changes, it is refused", async () => {
  await appendFile(join(REPOSITORY, "src/sum.ts"), "// mine\n");
  await git(REPOSITORY, "config", "status.showUntrackedFiles", "nonsense");
  assertRefused(await init(REPOSITORY, "acme.eliza.v1"), /^git status ended with 128: .*nonsense/s);
  await git(REPOSITORY, "config", "--unset", "status.showUntrackedFiles");
  assert.equal(await git(REPOSITORY, "status", "--porcelain"), " M src/sum.ts\n");
  await restore(REPOSITORY);
});

test("an ignored file that would be overwritten is refused, and stays", async () => {
  const mine = join(REPOSITORY, "src/eliza.ts");
  await appendFile(join(REPOSITORY, ".git/info/exclude"), "/src/eliza.ts\n");
  await writeFile(mine, "mine\n");
  assertRefused(await init(REPOSITORY, "acme.eliza.v1"), /^src\/eliza\.ts exists and is ignored by git/);
  assert.equal(await readFile(mine, "utf8"), "mine\n");
  assert.equal(await git(REPOSITORY, "status", "--porcelain"), "");
  await rm(mine);
});

test("a folder without a repository or without a commit, and one within a repository, are refused", async (t) => {
  const folder = await makeFolder();
  t.after(() => rm(folder, { recursive: true }));
  const problem = /^it must run in the top folder of a git repository with a commit/;
  assertRefused(await init(folder, "acme.eliza.v1"), problem);
  await git(folder, "init", "--quiet");
  assertRefused(await init(folder, "acme.eliza.v1"), problem);

  await git(REPOSITORY, "clone", "--quiet", REPOSITORY, join(folder, "within"));
  await rm(join(folder, "within/.git"), { recursive: true });
  await commit(folder);
  assertRefused(await init(join(folder, "within"), "acme.eliza.v1"), problem);
});

test("without packages, npm ci is named", async (t) => {
  const folder = await temporaryFolder(t);
  await git(folder, "clone", "--quiet", REPOSITORY, ".");
  assertRefused(await init(folder, "acme.eliza.v1"), /^the packages are not installed; run npm ci first$/);
});

test("after a step that fails, the commands of the message bring the repository back", async (t) => {
  const folder = await makeRepository();
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "buf.gen.yaml"), "nonsense\n");
  await commit(folder);
  const { code, stderr } = await init(folder, "acme.eliza.v1");
  assert.equal(code, 1);
  const [, commands = ""] = /^init: npm run --silent generate ended with 1; .* back: (.*)$/m.exec(stderr) ?? [];
  assert.match(await git(folder, "status", "--porcelain"), /^D {2}src\/sum\.ts$/m);
  assert.equal((await run("sh", ["-c", commands], { cwd: folder })).code, 0, commands);
  assert.equal(await git(folder, "status", "--porcelain", "--ignored"), "!! node_modules\n");
  assert.equal(await git(folder, "diff", "HEAD"), "");
});

test("the repository that it makes has a tested service and nothing of the tutorial", {
  timeout: TIMEOUT_MS,
}, async (t) => {
  const folder = await makeRepository();
  t.after(() => rm(folder, { recursive: true }));
  await git(folder, "checkout", "--quiet", "-b", "trunk");
  const linked = join(await temporaryFolder(t), "README.md");
  await rename(join(folder, "README.md"), linked);
  await symlink(linked, join(folder, "README.md"));
  await commit(folder);
  const before = await readFile(linked, "utf8");
  const { code, stdout, stderr } = await init(folder, "acme.order_book.v1");
  assert.equal(code, 0, stderr);
  assert.equal(await readFile(linked, "utf8"), before, "a file to which a link led stays");
  assert.match(stdout, /: OrderBookService of acme\.order_book\.v1\nnext: npm run test:service && git add --all/);

  const { name, scripts } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  assert.equal(name, "order-book");
  assert.equal(scripts.breaking, "buf breaking --against '.git#branch=trunk'");
  for (const document of ["README.md", "CONTRIBUTING.md"])
    assert.match(
      await readFile(join(folder, document), "utf8"),
      /compares the contract with the one .*on (?:the branch )?trunk/,
    );
  for (const script of ["client", "init"]) assert.ok(!(script in scripts), script);
  await git(folder, "add", "--all");
  const documents = ["*.md", ".ci", "*.json", "*.yaml", "src", "tools", "deploy"];
  assert.equal(
    await find(
      folder,
      "[^@]connect-sum|GetSum|test\\.Test|/own-service/|own_service|docs/screenshot|extending\\.md",
      documents,
    ),
    "",
  );
  assert.equal(await find(folder, "src/(client|sum)|tools/init|gen/service_pb", documents), "");

  const tests = [
    "test/service/order-book.test.ts",
    "test/project/layers.test.ts",
    "test/project/document-names.test.ts",
  ];
  for (const [command, ...args] of [
    ["tools/node.sh", "--test", ...tests],
    ["bash", "-n", ".ci/run"],
    ["buf", "lint"],
    ["buf", "format", "--diff", "--exit-code"],
  ] as const) {
    const result = await run(command, args, { cwd: folder, env: { ...ENV, NODE_TEST_CONTEXT: undefined } });
    assert.equal(result.code, 0, `${command} ${args.join(" ")}\n${result.stdout}${result.stderr}`);
  }
});

/** Returns the lines of tracked files that match, with their files. */
async function find(folder: string, pattern: string, paths: readonly string[]): Promise<string> {
  const { code, stdout } = await run("git", ["grep", "-nE", pattern, "--", ...paths], { cwd: folder });
  assert.ok(code === 0 || code === 1);
  return stdout;
}

test("a second time, and without the tutorial's contract, it is refused", async (t) => {
  const folder = await makeRepository();
  t.after(() => rm(folder, { recursive: true }));
  await git(folder, "rm", "--quiet", "proto/service.proto");
  await commit(folder);
  assertRefused(await init(folder, "acme.eliza.v1"), /^proto\/service\.proto does not exist; this program runs once/);
});

function assertRefused({ code, stdout, stderr }: Result, problem: RegExp): void {
  assert.deepEqual([code, stdout], [1, ""], stderr);
  assert.match(stderr.replace(/^init: /, "").trimEnd(), problem);
}

/** Runs the program of a folder. */
function init(folder: string, ...args: string[]): Promise<Result> {
  return run("tools/node.sh", ["tools/init.ts", ...args], { cwd: folder, timeout: TIMEOUT_MS });
}

/** Makes a repository of the files of this one, without its history. Its branch is main. */
async function makeRepository(): Promise<string> {
  const folder = await makeFolder();
  await git(folder, "init", "--quiet", "--initial-branch=main");
  await appendFile(join(folder, ".git/info/exclude"), "/node_modules\n"); // a link, which .gitignore does not match
  await commit(folder);
  return folder;
}

/** Copies the files of this repository that git does not ignore into a new folder, with its packages. */
async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "init-"));
  const list = await git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard");
  const files = list.split("\0").filter((path) => path !== "" && existsSync(join(ROOT, path)));
  for (const path of files) await cp(join(ROOT, path), join(folder, path));
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  return folder;
}

async function addFile(folder: string): Promise<void> {
  await writeFile(join(folder, "mine.ts"), "");
  await git(folder, "add", "mine.ts");
}

async function restore(folder: string): Promise<void> {
  await git(folder, "reset", "--quiet", "--hard");
  await git(folder, "clean", "--quiet", "-fd");
}

async function commit(folder: string): Promise<void> {
  await git(folder, "add", "--all");
  await git(folder, "commit", "--quiet", "--message", "Test");
}

async function git(folder: string, ...args: string[]): Promise<string> {
  const user = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
  const { code, stdout, stderr } = await run("git", [...user, ...args], { cwd: folder });
  assert.equal(code, 0, stderr);
  return stdout;
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "init-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}
