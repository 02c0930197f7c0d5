/**
 * Runs the page's program for Python as a user would: in a folder with the contract, after the command in its first
 * line.
 */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { ENV, run } from "./command.ts";

/** Runs the program to its end. `python` has grpc_tools. */
export async function runPython(
  t: TestContext,
  python: string,
  program: string,
  { contract, env = ENV }: { readonly contract: string; readonly env?: NodeJS.ProcessEnv },
): ReturnType<typeof run> {
  const cwd = await mkdtemp(join(tmpdir(), "python-"));
  t.after(() => rm(cwd, { recursive: true }));
  await mkdir(join(cwd, "proto"));
  await writeFile(join(cwd, "proto/service.proto"), contract);
  const [, command = ""] = /^# python3 (.*)$/m.exec(program) ?? [];
  const made = await run("sh", ["-c", `${python} ${command}`], { cwd });
  assert.equal(made.code, 0, made.stderr);
  return run(python, ["-c", program], { cwd, env });
}
