/** Finds and runs the programs of this machine, compilers included. */
import { spawnSync } from "node:child_process";
import { accessSync, constants, mkdirSync } from "node:fs";
import { basename, delimiter, join } from "node:path";

/** The folder of all that the benchmark builds. */
export const BUILD = join(import.meta.dirname, ".build");
/** The module of the servers in Go and of the load generator. */
export const GO_MODULE = join(import.meta.dirname, "peers/go");
const PACKAGES_BIN = join(import.meta.dirname, "../node_modules/.bin");
/** PATH with the programs of packages first, as in npm scripts. /usr/sbin is last. */
const PATH = [PACKAGES_BIN, process.env.PATH, "/usr/sbin"].join(delimiter);

/** Thrown if a program is missing or fails. The server or load generator that needs it is then left out. */
export class Absent extends Error {}

/** Returns the path of a program. Throws Absent, with `advice` on how to get it, if it is not on PATH. */
export function find(program: string, advice: string): string {
  const path = PATH.split(delimiter)
    .map((folder) => join(folder, program))
    .find(isExecutable);
  if (path === undefined) throw new Absent(`${program} is not on PATH; ${advice}`);
  return path;
}

/**
 * Runs a program and returns its output. If the program fails, throws Absent with the last line of its error output.
 */
export function output(
  command: readonly string[],
  cwd = import.meta.dirname,
  env: Record<string, string> = {},
): string {
  const [program = "", ...args] = command;
  mkdirSync(BUILD, { recursive: true });
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, PATH, ...env },
  });
  if (status === 0) return stdout.trim();
  const problem = error?.message ?? stderr.trim().split("\n").at(-1);
  throw new Absent(`run ${basename(program)}: ${problem}`);
}

/** Programs of the Go module that this process has built. */
const built = new Map<string, string>();

/**
 * Builds a program of the Go module with tags, once, and returns its path. A program that imports the contracts needs
 * `generate`. Throws Absent if Go is not installed, or if the build fails.
 */
export function buildGo(
  name: string,
  { tags = "", generate = true }: { tags?: string; generate?: boolean } = {},
): string {
  const key = name + tags;
  const known = built.get(key);
  if (known !== undefined) return known;
  const go = find("go", "install Go");
  const path = join(BUILD, key);
  if (generate) output([find("buf", "run npm ci"), "generate"], GO_MODULE);
  output([go, "build", "-tags", tags, "-o", path, `./${name}`], GO_MODULE);
  built.set(key, path);
  return path;
}

/** Returns the version of a module that the Go module requires. Throws Absent if Go is not installed. */
export function goVersion(module: string): string {
  return output([find("go", "install Go"), "list", "-m", "-f", "{{.Version}}", module], GO_MODULE);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
