/** Runs a program until it exits, as a user at a shell would. */
import { type SpawnOptions, spawn } from "node:child_process";
import { delimiter, join } from "node:path";

/** The repository's root. */
export const ROOT = join(import.meta.dirname, "../..");
/**
 * The environment of npm scripts: programs of packages come first on PATH. The warnings of npm are off, because they
 * would be about the user's ~/.npmrc.
 */
export const ENV = {
  ...process.env,
  PATH: [join(ROOT, "node_modules/.bin"), process.env.PATH].join(delimiter),
  npm_config_loglevel: "error",
};

const { npm_lifecycle_event: _, ...outsideNpm } = ENV as NodeJS.ProcessEnv;
/** ENV of a program that no script of npm has started. A text of --help names the script that it is from. */
export const ENV_OUTSIDE_NPM = outsideNpm as typeof ENV;

export interface Result {
  /** The exit code; null if a signal ended the program. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Returns the path of a program. `node` is the Node that runs this test: PATH may have another one, or none. */
export function programPath(name: string): string {
  return name === "node" ? process.execPath : name;
}

/** A program that hangs is killed after this time, which is long enough for a busy machine. */
const HANG_MS = 60_000;

/** Runs the program. The promise rejects if the program cannot be started. */
export function run(
  command: string,
  args: readonly string[],
  options: SpawnOptions & { input?: string } = {},
): Promise<Result> {
  const { input = "", ...rest } = options;
  const child = spawn(programPath(command), args, { cwd: ROOT, env: ENV, timeout: HANG_MS, ...rest, stdio: "pipe" });
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  child.on("error", reject);
  child.on("close", (code) => resolve({ code, stdout, stderr }));
  child.stdin?.on("error", () => {}); // the program may exit without reading
  child.stdin?.end(input);
  return promise;
}
