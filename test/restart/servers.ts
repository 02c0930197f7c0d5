/** Runs the servers behind the forwarder. The next server takes over before the previous one gets the signal. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { ENV, ROOT } from "../support/command.ts";
import { send } from "../support/http.ts";
import type { Forwarder } from "./forwarder.ts";

/** The end of one server, with times in ms since the epoch. */
export interface Restart {
  readonly signalledAt: number;
  readonly exitedAt: number;
  /** The exit code, or the signal that ended the server; undefined if it did not exit in time. */
  readonly exit: number | NodeJS.Signals | undefined;
}

interface RunningServer {
  readonly child: ChildProcess;
  readonly authority: string;
}

/** Longer than the grace time of the server. */
const EXIT_MS = 15_000;

export class Servers {
  readonly restarts: Restart[] = [];
  readonly #forwarder: Forwarder;
  readonly #args: readonly string[];
  #current: RunningServer | undefined;

  /** `args` are arguments of slow-main.ts, without --port. */
  constructor(forwarder: Forwarder, args: readonly string[]) {
    this.#forwarder = forwarder;
    this.#args = args;
  }

  /** Starts the next server, forwards new connections to it, and then ends the previous one, if there is one. */
  async replace(signal: NodeJS.Signals): Promise<void> {
    const before = this.#current;
    const next = await this.#start();
    this.#current = next;
    this.#forwarder.targetPort = Number(next.authority.split(":")[1]);
    if (before === undefined) return;
    await this.#forwarder.opened();
    // The backlog is a queue: a response on a new connection shows that all waiting connections were accepted.
    await send("HTTP/1.1", before.authority, { method: "GET", path: "/" });
    this.restarts.push(await end(before, signal));
  }

  /** Replaces the workers of the server, one after the other. */
  async replaceWorkers(): Promise<void> {
    if (this.#current === undefined) throw new Error("replace the workers: no server was started");
    const { child } = this.#current;
    const late = new AbortController();
    const replaced = Promise.withResolvers<0>();
    const listen = (text: Buffer): void => {
      if (/^replaced \d+ workers$/m.test(String(text))) replaced.resolve(0);
    };
    child.stdout?.on("data", listen);
    const signalledAt = Date.now();
    child.kill("SIGUSR2");
    const exit = await Promise.race([replaced.promise, sleep(EXIT_MS, undefined, { signal: late.signal })]);
    late.abort();
    child.stdout?.off("data", listen);
    this.restarts.push({ signalledAt, exitedAt: Date.now(), exit });
  }

  /** Ends the last server, when all clients have stopped. */
  async stop(): Promise<Restart> {
    if (this.#current === undefined) throw new Error("stop the server: none was started");
    return end(this.#current, "SIGTERM");
  }

  async #start(): Promise<RunningServer> {
    const command = ["test/restart/slow-main.ts", "--port", "0", ...this.#args];
    const child = spawn(process.execPath, command, { cwd: ROOT, env: ENV, stdio: ["ignore", "pipe", "inherit"] });
    const kill = (): void => void child.kill("SIGKILL");
    process.on("exit", kill);
    child.on("exit", () => process.off("exit", kill));
    for await (const line of createInterface({ input: child.stdout })) {
      const [, authority] = /^listening on http:\/\/(\S+)$/.exec(line) ?? [];
      if (authority !== undefined) {
        child.stdout.resume();
        return { child, authority };
      }
    }
    throw new Error(`start node ${command.join(" ")}: it ended before it listened`);
  }
}

async function end({ child }: RunningServer, signal: NodeJS.Signals): Promise<Restart> {
  const exit = once(child, "exit").then(([code, killedBy]) => code ?? killedBy);
  const signalledAt = Date.now();
  child.kill(signal);
  const late = new AbortController();
  const ended = await Promise.race([exit, sleep(EXIT_MS, undefined, { signal: late.signal })]);
  late.abort();
  if (ended === undefined) child.kill("SIGKILL");
  return { signalledAt, exitedAt: Date.now(), exit: ended };
}
