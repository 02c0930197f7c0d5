/** Runs an outside program, such as a proxy, for the time of a test. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import type { TestContext } from "node:test";

export interface OutsideProcess {
  readonly child: ChildProcess;
  /** The text that the program has written to stderr so far. */
  readonly stderr: () => string;
}

/** Starts the program. Kills it at the end of the test, and then removes `folder`, which has its files. */
export function startOutside(t: TestContext, program: string, args: readonly string[], folder: string): OutsideProcess {
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  const exit = once(child, "exit");
  t.after(async () => {
    child.kill("SIGKILL");
    await exit;
    await rm(folder, { recursive: true });
  });
  return { child, stderr: () => stderr };
}
