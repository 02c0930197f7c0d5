/**
 * `npm run init -- acme.eliza.v1`: makes this the repository of a new service. Removes the tutorial's contract and service
 * with their tests and documents, and itself. Writes a first contract, service, test and README in their place.
 */
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createEdits, Refusal } from "./init/edits.ts";
import { type Names, readPackage } from "./init/package-name.ts";

const ROOT = join(import.meta.dirname, "..");
const USAGE = `usage: npm run init -- PACKAGE
Makes this the repository of a new service. PACKAGE is its Protobuf package, such as acme.eliza.v1.
The repository must be without uncommitted changes. README.md describes the steps, under "Make it yours".`;

/** The files and folders that are only about the tutorial, or about this program. */
const REMOVED = [
  "proto",
  "src/sum.ts",
  "src/client",
  "test/service",
  "docs/extending.md",
  "docs/page.png",
  "docs/screenshot.ts",
  "tools/init.ts",
  "tools/init",
  "test/acceptance/own-service",
  "test/acceptance/applications",
  "examples",
];
/** The tutorial's contract. Without it, the program has run before. */
const TUTORIAL = "proto/service.proto";

function main(args: readonly string[]): void {
  const [name] = args;
  if (args.includes("--help")) console.log(USAGE);
  else if (name !== undefined && args.length === 1) init(name);
  else {
    console.error(USAGE);
    process.exitCode = 2;
  }
}

/** Makes the repository that of a service in the package. Prints the result, or the reason for which it cannot. */
function init(name: string): void {
  try {
    const names = readPackage(name);
    if (typeof names === "string") throw new Refusal(names);
    checkRepository();
    const removed = trackedFiles(REMOVED);
    const branch = mainBranch();
    const written = { ...newFiles({ ...names, branch }), ...createEdits(names, branch, readText) };
    checkFree(Object.keys(written), removed);
    change(written);
    console.log(
      `removed ${removed.length} files and wrote ${Object.keys(written).length}: ${names.service} of ${names.package}\n` +
        `next: npm run test:service && git add --all && git commit -m "Start ${names.package}"`,
    );
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    console.error(`init: ${error.message}`);
    process.exitCode = 1;
  }
}

/** Throws Refusal unless ROOT is a git repository with the tutorial and without uncommitted changes. */
function checkRepository(): void {
  if (!existsSync(join(ROOT, TUTORIAL)))
    throw new Refusal(`${TUTORIAL} does not exist; this program runs once, on the repository of the tutorial`);
  if (runGit("rev-parse", "--verify", "--quiet", "HEAD").status !== 0 || git("rev-parse", "--show-cdup") !== "\n")
    throw new Refusal("it must run in the top folder of a git repository with a commit, so that nothing can be lost");
  const changes = git("status", "--porcelain", "--untracked-files=all").trimEnd();
  if (changes !== "") throw new Refusal(`commit or stash your changes first, untracked files included:\n${changes}`);
  const [, hidden] = /^[a-zS] (.*)$/m.exec(git("ls-files", "-v")) ?? [];
  if (hidden !== undefined)
    throw new Refusal(`git does not report changes of ${hidden}: it is marked as assume-unchanged or skip-worktree`);
  if (!existsSync(join(ROOT, "node_modules/.bin/buf")))
    throw new Refusal("the packages are not installed; run npm ci first");
}

/** Returns the tracked files among these files, and in these folders. */
function trackedFiles(paths: readonly string[]): string[] {
  return git("ls-files", "-z", "--", ...paths)
    .split("\0")
    .filter((path) => path !== "");
}

/** Returns the files that are written from templates, by their paths. */
function newFiles(values: Names & { readonly branch: string }): Record<string, string> {
  const fill = (template: string): string =>
    readText(`tools/init/${template}.txt`).replaceAll(
      /\{(package|path|service|file|branch)\}/g,
      (_, key: keyof typeof values) => values[key],
    );
  return {
    [`proto/${values.path}.proto`]: fill("service.proto"),
    [`src/${values.file}.ts`]: fill("service.ts"),
    "src/routes.ts": fill("routes.ts"),
    [`test/service/${values.file}.test.ts`]: fill("service.test.ts"),
    "test/service/documents.test.ts": fill("documents.test.ts"),
    "README.md": fill("README.md"),
  };
}

/** Throws Refusal if a file would be overwritten that git does not have, because it is ignored. */
function checkFree(written: readonly string[], removed: readonly string[]): void {
  const restorable = new Set([...removed, ...trackedFiles(written)]);
  const lost = written.find((path) => isPresent(path) && !restorable.has(path));
  if (lost !== undefined) throw new Refusal(`${lost} exists and is ignored by git; move it away first`);
}

/** True if there is a file, a folder or a link, even one to a file that does not exist. */
function isPresent(path: string): boolean {
  try {
    return lstatSync(join(ROOT, path)) !== undefined;
  } catch {
    return false;
  }
}

/** Removes REMOVED, writes the files, generates code and formats. Throws Refusal with the way back if a step fails. */
function change(written: Readonly<Record<string, string>>): void {
  try {
    git("rm", "-r", "--quiet", "--ignore-unmatch", "--", ...REMOVED);
    for (const [path, text] of Object.entries(written)) {
      mkdirSync(dirname(join(ROOT, path)), { recursive: true });
      rmSync(join(ROOT, path), { force: true }); // a link would lead the write to another file
      writeFileSync(join(ROOT, path), text);
    }
    runProgram("npm", "run", "--silent", "generate");
    runProgram("npx", "biome", "check", "--write", "--files-ignore-unknown=true", ...Object.keys(written));
  } catch (error) {
    const { message } = error as Error;
    throw new Refusal(
      `${message}; this brings the repository back: git restore --staged --worktree . && git clean -fd`,
    );
  }
}

/** Runs a program with the output of this one. Throws if it fails. */
function runProgram(command: string, ...args: string[]): void {
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: "inherit" });
  if (status !== 0) throw error ?? new Error(`${[command, ...args].join(" ")} ended with ${status}`);
}

/** Returns the branch that is checked out, or main. */
function mainBranch(): string {
  const branch = runGit("symbolic-ref", "--quiet", "--short", "HEAD").stdout.trim();
  return /^[\w./-]+$/.test(branch) ? branch : "main"; // the name becomes part of a command of a shell
}

/** Returns the output of git. Throws Refusal if git fails, because its output would look like that of no changes. */
function git(...args: string[]): string {
  const { status, stdout, stderr } = runGit(...args);
  if (status !== 0) throw new Refusal(`git ${args[0]} ended with ${status}: ${stderr.trim()}`);
  return stdout;
}

function runGit(...args: string[]): SpawnSyncReturns<string> {
  const result = spawnSync("git", args, { cwd: ROOT, encoding: "utf8" });
  if (result.error !== undefined) throw new Refusal(`git cannot be run: ${result.error.message}`);
  return result;
}

function readText(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

main(process.argv.slice(2));
