/** The tutorial's own Python client calls the service at the default address, which is the one in its code. */
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT, run } from "../support/command.ts";
import { absent, findPython, PYTHON } from "../support/judge.ts";
import { startProcess } from "../support/process.ts";

test("the client prints the same as in the tutorial, on stubs made by the tutorial's script and on those printed in it", async (t) => {
  if ((await findPython(t, "grpc", "grpc_tools")) === undefined) return;
  const started = await startProcess(t, "npm", "start").catch((error: Error) => absent(t, error.message));
  if (started === undefined) return;
  assert.equal(started.authority, "127.0.0.1:50051");
  const folder = await mkdtemp(join(tmpdir(), "post-"));
  t.after(() => rm(folder, { recursive: true }));
  await cp(join(ROOT, "test/service/post"), folder, { recursive: true });
  const stubs = join(folder, "python_out");
  await rm(stubs, { recursive: true, force: true });
  await mkdir(stubs);
  const transcript = await readFile(join(folder, "transcript.txt"), "utf8");
  const ended = { code: 0, stdout: `${transcript}\n`, stderr: "" }; // print ends the line that the message had ended

  const env = { ...process.env, PYTHONPATH: stubs };
  assert.equal((await run(PYTHON, ["run_codegen.py"], { cwd: folder })).code, 0);
  assert.deepEqual(await run(PYTHON, ["client.py"], { cwd: folder, env }), ended);

  await cp(join(folder, "printed"), stubs, { recursive: true });
  const old = { ...env, PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION: "python" }; // the default one refuses stubs of 2019
  assert.deepEqual(await run(PYTHON, ["client.py"], { cwd: folder, env: old }), ended);
});
