/** Starts the server of an example as a process, for the tests. It has no imports but Node's. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export interface RunningServer {
  readonly pid: number;
  /** The addresses that it printed, such as "http://127.0.0.1:8080". */
  readonly urls: readonly string[];
  /** Resolves with the exit code, or the signal that ended the process. */
  readonly exit: Promise<number | NodeJS.Signals>;
  /** Sends SIGTERM. */
  stop(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Runs a file on free ports. Resolves when it has printed `count` addresses. Rejects if it exits before that. The disposal of
 * the server kills the process.
 */
export async function startServer(file: string, { count = 1, env = {} }: StartOptions = {}): Promise<RunningServer> {
  const child = spawn(process.execPath, [file], {
    env: { ...process.env, PORT: "0", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit").then(([code, signal]) => code ?? signal);
  const urls: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const [url] = /http:\/\/\S+/.exec(line) ?? [];
    if (url !== undefined) urls.push(url);
    if (urls.length === count) break;
  }
  child.stdout.resume();
  if (urls.length < count) throw new Error(`start ${file}: it ended with ${await exit} after ${urls.length} addresses`);
  const kill = async () => {
    child.kill("SIGKILL");
    await exit;
  };
  return { pid: child.pid ?? 0, urls, exit, stop: () => child.kill("SIGTERM"), [Symbol.asyncDispose]: kill };
}

interface StartOptions {
  /** The number of addresses to wait for. */
  readonly count?: number;
  readonly env?: Readonly<Record<string, string>>;
}
