/** The programs and compilers that a machine has or lacks, and what is built with them. */
import { spawnSync } from "node:child_process";
import { accessSync, constants, mkdirSync } from "node:fs";
import { basename, delimiter, join } from "node:path";

/** What is built, by whoever benches. */
export const BUILD = join(import.meta.dirname, ".build");
/** Programs that are built because they are not on PATH. */
export const BUILT_TOOLS = join(BUILD, "bin");
const PACKAGES_BIN = join(import.meta.dirname, "../node_modules/.bin");
/** The environment of npm's scripts: the packages' programs come first on PATH. */
const PATH = [PACKAGES_BIN, process.env.PATH, "/usr/sbin", BUILT_TOOLS].join(delimiter);

/** Why a peer or a tool is left out. */
export class Absent extends Error {}

/** The path of a program, or Absent with what gives it. */
export function find(program: string, gives: string): string {
  const path = PATH.split(delimiter)
    .map((folder) => join(folder, program))
    .find(isExecutable);
  if (path === undefined) throw new Absent(`${program} is not on PATH; ${gives}`);
  return path;
}

/** What the program printed. Throws Absent, with the end of what it complained of, where it did not end well. */
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

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
