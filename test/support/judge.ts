/** Finds outside tools that judge the server. Without a tool, its test is skipped with a reason, or fails in CI. */
import { accessSync, constants } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import type { TestContext } from "node:test";
import { ENV, run } from "./command.ts";

/** The Python of the tests: a name on PATH or a path. */
export const PYTHON = process.env.PYTHON ?? "python3";

/**
 * Returns the path of the first program that is found. Otherwise skips the test and returns undefined, or fails it in
 * CI.
 */
export function findJudge(t: Pick<TestContext, "skip">, ...names: readonly string[]): string | undefined {
  const path = findProgram(...names);
  if (path === undefined) absent(t, `${names.join(" or ")} is not on PATH`);
  return path;
}

/**
 * Returns the path of `PYTHON` if it has these modules. Otherwise skips the test and returns undefined, or fails it in
 * CI.
 */
export async function findPython(t: TestContext, ...modules: readonly string[]): Promise<string | undefined> {
  const python = findJudge(t, PYTHON);
  if (python === undefined) return undefined;
  const { code } = await run(python, ["-c", `import ${modules.join(", ")}`]);
  if (code === 0) return python;
  absent(t, `${python} lacks one of ${modules.join(", ")}; PYTHON may name another`);
}

/** Returns the path of the first program that is found. Each name is looked up on PATH, or is a path. */
export function findProgram(...names: readonly string[]): string | undefined {
  const folders = ENV.PATH.split(delimiter);
  const paths = names.flatMap((name) => (isAbsolute(name) ? name : folders.map((folder) => join(folder, name))));
  return paths.find(isExecutable);
}

/** Skips the test with the reason, or fails it in CI. */
export function absent(t: Pick<TestContext, "skip">, reason: string): void {
  if (process.env.CI === "true") throw new Error(`judge by an outside tool: ${reason}`);
  t.skip(reason);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
