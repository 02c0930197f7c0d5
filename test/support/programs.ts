/** Runs the page's programs as a user would: in a folder with the contract, the generated code and the packages. */
import assert from "node:assert/strict";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { TestContext } from "node:test";
import { ENV, type Result, ROOT, run } from "./command.ts";

const PLUGIN = ["tools/node.sh", "node_modules/@bufbuild/protoc-gen-es/bin/protoc-gen-es"];

/** Makes the folder with a contract. `protos` is the contract's folder: absolute, or relative to the repository. */
export async function makeWorkspace(t: TestContext, protos: string): Promise<string> {
  const cwd = await mkdtemp(join(tmpdir(), "programs-"));
  t.after(() => rm(cwd, { recursive: true }));
  await symlink(join(ROOT, "node_modules"), join(cwd, "node_modules"));
  await symlink(resolve(ROOT, protos), join(cwd, "proto"));
  await writeFile(join(cwd, "package.json"), '{ "type": "module" }');
  const opt = ["target=ts", "import_extension=ts", "erasable_syntax=true"];
  const template = JSON.stringify({ version: "v2", plugins: [{ local: PLUGIN, out: join(cwd, "gen"), opt }] });
  const generated = await run("buf", ["generate", protos, "--template", template]);
  assert.equal(generated.code, 0, generated.stderr);
  return cwd;
}

/** Runs the command in the program's first line, and then the program. `python` has grpc_tools. */
export async function runPython(
  python: string,
  program: string,
  cwd: string,
  env: NodeJS.ProcessEnv = ENV,
): Promise<Result> {
  const [, command = ""] = /^# (.*)$/m.exec(program) ?? [];
  const made = await run("sh", ["-c", command.replace("python3", python)], { cwd });
  assert.equal(made.code, 0, made.stderr);
  return run(python, ["-"], { cwd, env, input: program });
}

export async function runTypeScript(program: string, cwd: string, env: NodeJS.ProcessEnv = ENV): Promise<Result> {
  return run("node", ["--input-type=module-typescript", "-"], { cwd, env, input: program });
}
