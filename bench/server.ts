/** A peer as a process, on a core of its own: its port, its CPU time, its memory and its end. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { find, output } from "./toolchain.ts";

const START_MS = 10_000;
/** Longer than the kernel's unit of CPU time. */
const SETTLE_MS = 20;

/** Where the servers run and where this process and its load do; undefined where there are not two cores. */
export interface Cores {
  readonly server: number;
  readonly load: number;
}

/** Keeps this process, and the load that it starts, on one core of those it may use. */
export function divideCores(): Cores {
  if (process.platform !== "linux") throw new Error(`measure on ${process.platform}: only Linux's /proc is read`);
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "";
  const allowed = list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  const [server, load] = allowed;
  if (server === undefined || load === undefined) throw new Error(`measure on cores "${list}": two are needed`);
  output([
    find("taskset", "on Debian: apt-get install util-linux"),
    "-a",
    "-p",
    "-c",
    String(load),
    String(process.pid),
  ]);
  return { server, load };
}

export class RunningServer {
  readonly authority: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.authority = `127.0.0.1:${port}`;
  }

  /** Starts it on the core, and waits until it takes connections. */
  static async start(command: readonly string[], core: number): Promise<RunningServer> {
    const given = command.includes("PORT") ? await freePort() : undefined;
    const args = ["-c", String(core), ...command.map((arg) => (arg === "PORT" ? String(given) : arg))];
    const child = spawn("taskset", args, { stdio: ["ignore", given === undefined ? "pipe" : "ignore", "inherit"] });
    const kill = () => child.kill("SIGKILL");
    process.on("exit", kill);
    child.on("exit", () => process.off("exit", kill));
    try {
      return new RunningServer(child, given === undefined ? await printedPort(child) : await answering(given));
    } catch (error) {
      kill();
      throw new Error(`start ${command.join(" ")}: ${(error as Error).message}`);
    }
  }

  /** Its CPU time so far in seconds, in user and system, of children that ended too. */
  cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, "latin1");
    // After the name, which may hold spaces, the third field is the first (proc_pid_stat(5)).
    const [utime, stime, cutime, cstime] = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .slice(11, 15)
      .map(Number);
    return ((utime ?? 0) + (stime ?? 0) + (cutime ?? 0) + (cstime ?? 0)) / TICKS_PER_SECOND;
  }

  /** Resolves when it works no more, or goes on for a second: after a load it still closes connections. */
  async settle(): Promise<void> {
    for (let spent = -1, waits = 0; spent < this.cpuSeconds() && waits < 1000 / SETTLE_MS; waits++) {
      spent = this.cpuSeconds();
      await sleep(SETTLE_MS);
    }
  }

  /** Its resident memory in bytes. */
  rssBytes(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "utf8");
    return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  async stop(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, "exit");
    this.#child.kill(signal);
    await exit;
  }
}

/** In which the kernel counts for /proc on every architecture (USER_HZ). */
const TICKS_PER_SECOND = 100;

async function printedPort(child: ChildProcess): Promise<number> {
  const ended = once(child, "exit").then(([code]) => Promise.reject(new Error(`it ended with ${code}`)));
  const printed = once(child.stdout as NonNullable<typeof child.stdout>, "data").then(([line]) => Number(line));
  const port = await Promise.race([printed, ended, late()]);
  child.stdout?.resume();
  return port;
}

async function answering(port: number): Promise<number> {
  for (const since = performance.now(); performance.now() - since < START_MS; await sleep(5)) {
    const socket = connect(port, "127.0.0.1");
    const connected = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (connected) return port;
  }
  return late(0);
}

async function late(ms = START_MS): Promise<never> {
  await sleep(ms, undefined, { ref: false });
  throw new Error(`it takes no connections within ${START_MS} ms`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return address !== null && typeof address === "object" ? address.port : 0;
}
