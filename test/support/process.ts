/**
 * Runs a server as a process, as a user starts it, and ends it with the test. With the variable LOG_FORMAT=json, every line that
 * the process writes to stderr must be a record, and the test sees the text of the records.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";
import type { LogRecord } from "../../src/server/log/record.ts";
import { ENV, programPath, type Result, ROOT, run } from "./command.ts";
import { asText, type Output, recordOf } from "./log.ts";

/** The program of tests that need a process: src/main.ts with the routes of the tests. */
export const MAIN = "test/support/main.ts";

/** True if the environment of the tests asks for JSON, in which case the tests get the text of each record. */
const IS_JSON = process.env.LOG_FORMAT === "json";

/** Skips a test of the commands to paste, which are only written as text. */
export const NO_COMMANDS = { skip: IS_JSON && "LOG_FORMAT=json leaves the commands out" };

export interface RunningProcess {
  readonly child: ChildProcess;
  /** The output so far, of stdout and of stderr. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** The records so far, of a process with `--log-format json`. */
  readonly records: () => LogRecord[];
  /** The address in the first line, like "127.0.0.1:50051". */
  readonly authority: string;
  /** Resolves with the exit code, or the signal that ended the process. */
  readonly exit: Promise<number | NodeJS.Signals>;
}

/** Runs MAIN until it exits. */
export async function runMain(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Result> {
  const result = await run("node", [MAIN, ...args], { env: { ...ENV, ...env } });
  return IS_JSON ? { ...result, ...asText(result) } : result;
}

/** Starts MAIN on a free port, and waits until it listens. */
export function startMain(t: TestContext, ...flags: readonly string[]): Promise<RunningProcess> {
  return startProcess(t, "node", MAIN, "--port", "0", ...flags);
}

/** Starts the command in the repository. */
export function startProcess(t: TestContext, command: string, ...args: string[]): Promise<RunningProcess> {
  return startProcessIn(t, ROOT, ENV, command, ...args);
}

/** Starts the command in its own process group, and waits for the line with its address. */
export async function startProcessIn(
  t: TestContext,
  cwd: string,
  env: NodeJS.ProcessEnv,
  command: string,
  ...args: string[]
): Promise<RunningProcess> {
  const child = spawn(programPath(command), args, { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.exitCode ?? killGroup(child, "SIGKILL"));
  const exit = once(child, "exit").then(([code, signal]) => code ?? signal);
  let stdout = "";
  const { promise: listening, resolve, reject } = Promise.withResolvers<string>();
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text;
    const [, authority] = /^listening on https?:\/\/(\S+)\n/m.exec(stdout) ?? [];
    if (authority !== undefined) resolve(authority);
  });
  let stderr = "";
  const isShownAsText = IS_JSON && !args.includes("--log-format");
  const shown = (): Output => (isShownAsText ? asText({ stdout, stderr }) : { stdout, stderr });
  const records = (): LogRecord[] => stderr.split("\n").slice(0, -1).map(recordOf);
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
    const [line] = /^\{.*"event":"listening".*(?=\n)/m.exec(stderr) ?? [];
    if (line !== undefined) resolve(String(recordOf(line).url).replace(/^https?:\/\//, ""));
  });
  if (isShownAsText) t.after(() => void shown());
  exit.then((code) => reject(new Error(`start ${command}: it ended with ${code}: ${stderr}`)));
  const authority = await listening;
  return { child, stdout: () => shown().stdout, stderr: () => shown().stderr, records, authority, exit };
}

/** Signals the whole process group, as a terminal does on ^C. Returns false if the group has ended. */
export function killGroup({ pid = 0 }: ChildProcess, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}
