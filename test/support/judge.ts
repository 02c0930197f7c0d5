/** Outside tools that judge the server: used where they are, skipped with the reason where not, and required in CI. */
import { accessSync, constants } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import type { TestContext } from "node:test";
import { ENV, run } from "./command.ts";

/** The Python that tests use. */
export const PYTHON = process.env.PYTHON ?? "python3";

/** As findProgram; undefined where the test is skipped for want of it. */
export function findJudge(t: TestContext, ...names: readonly string[]): string | undefined {
  const path = findProgram(...names);
  if (path === undefined) absent(t, `${names.join(" or ")} is not on PATH`);
  return path;
}

/** The Python named by PYTHON, where it has these modules; undefined where the test is skipped for want of it. */
export async function findPython(t: TestContext, ...modules: readonly string[]): Promise<string | undefined> {
  const python = findJudge(t, PYTHON);
  if (python === undefined) return undefined;
  const { code } = await run(python, ["-c", `import ${modules.join(", ")}`]);
  if (code === 0) return python;
  absent(t, `${python} lacks one of ${modules.join(", ")}; PYTHON may name another`);
}

/** The path of the program that has one of these names on PATH, or is named by its path. */
export function findProgram(...names: readonly string[]): string | undefined {
  const folders = ENV.PATH.split(delimiter);
  const paths = names.flatMap((name) => (isAbsolute(name) ? name : folders.map((folder) => join(folder, name))));
  return paths.find(isExecutable);
}

/** Skips the test with the reason, or fails it in CI. */
export function absent(t: TestContext, reason: string): void {
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
