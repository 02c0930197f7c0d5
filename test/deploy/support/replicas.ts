/** Runs the replicas of a service as processes, each on a port that it keeps over restarts. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { ENV, ROOT } from "../../support/command.ts";
import { freePort } from "../../support/prometheus.ts";

export class Replica {
  readonly port: number;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;
  #output = "";

  constructor(port: number, args: readonly string[]) {
    this.port = port;
    this.#args = args;
  }

  /** The process ID, by which the replica names itself in responses. */
  get id(): string {
    return String(this.#child?.pid);
  }

  /** The records so far that are about calls, from all processes on this port. */
  get accessLog(): readonly Readonly<Record<string, unknown>>[] {
    const lines = this.#output.split("\n").filter((line) => line.startsWith("{"));
    return lines.map((line) => JSON.parse(line)).filter(({ event }) => event === "call");
  }

  /** Starts a process, and resolves when it listens. */
  async start(): Promise<void> {
    const args = ["test/deploy/support/replica-main.ts", "--port", String(this.port), "--log-format", "json"];
    const stdio: ["ignore", "ignore", "pipe"] = ["ignore", "ignore", "pipe"];
    const child = spawn(process.execPath, [...args, ...this.#args], { cwd: ROOT, env: ENV, stdio });
    this.#child = child;
    const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
    child.stderr.setEncoding("utf8").on("data", (text) => {
      this.#output += text;
      if (text.includes('"event":"listening"')) resolve();
    });
    child.on("exit", (code) => reject(new Error(`start a replica: exit code ${code}: ${this.#output}`)));
    await listening;
  }

  /** Sends the signal, and returns the exit code of the process, or the signal that ended it. */
  async stop(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | undefined> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return undefined;
    const exit = once(child, "exit");
    child.kill(signal);
    const [code, endedBy] = await exit;
    return code ?? endedBy;
  }
}

/** Starts replicas with these arguments, which end with the test. */
export async function startReplicas(t: TestContext, count: number, args: readonly string[]): Promise<Replica[]> {
  const replicas: Replica[] = [];
  t.after(() => Promise.all(replicas.map((replica) => replica.stop("SIGKILL"))));
  for (let i = 0; i < count; i++) replicas.push(new Replica(await freePort(), args));
  await Promise.all(replicas.map((replica) => replica.start()));
  return replicas;
}
