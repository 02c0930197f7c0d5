/** Runs a server as a process on its own core, and reads its CPU time and memory. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { find, output } from "./toolchain.ts";

const START_MS = 10_000;
/** The time between two readings of the CPU time, and the CPU time in it that an idle server may need. */
const SETTLE_MS = 20;
const IDLE_SECONDS = 0.0005;

/** USER_HZ: the unit of CPU time in /proc/PID/stat is 1/100 s. */
const TICKS_PER_SECOND = 100;

/** The number of the core for servers, and of the core for this process and the load generators. */
export interface Cores {
  readonly server: number;
  readonly load: number;
}

/**
 * Chooses two cores, and moves this process to the `load` core. The load generators that it starts inherit that core.
 * Throws if not on Linux or without two cores.
 */
export function divideCores(): Cores {
  if (process.platform !== "linux") throw new Error(`measure on ${process.platform}: only Linux is supported`);
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

  /**
   * Starts the command on the core. Resolves when the server accepts connections. Rejects if the server exits or takes
   * longer than `START_MS`.
   */
  static async start(command: readonly string[], core: number): Promise<RunningServer> {
    const given = command.includes("PORT") ? await freePort() : undefined;
    const args = ["-c", String(core), ...command.map((arg) => (arg === "PORT" ? String(given) : arg))];
    const child = spawn("taskset", args, { stdio: ["ignore", given === undefined ? "pipe" : "ignore", "inherit"] });
    const kill = () => child.kill("SIGKILL");
    process.on("exit", kill);
    child.on("exit", () => process.off("exit", kill));
    try {
      return new RunningServer(child, given === undefined ? await printedPort(child) : await accepting(given));
    } catch (error) {
      kill();
      throw new Error(`start ${command.join(" ")}: ${(error as Error).message}`);
    }
  }

  /**
   * Returns the CPU time so far in seconds, as the scheduler has counted it in nanoseconds: that of all threads, and of all
   * child processes, such as workers.
   */
  cpuSeconds(): number {
    return cpuNanoseconds(String(this.#child.pid)) / 1e9;
  }

  /** Returns the CPU time in seconds that the kernel has spent for the server, counted in steps of 10 ms. */
  kernelSeconds(): number {
    const [, system, , childSystem] = this.#times();
    return system + childSystem;
  }

  /** Returns user and system time in seconds, and those of ended child processes. */
  #times(): [user: number, system: number, childUser: number, childSystem: number] {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, "latin1");
    // The name, field 2, may contain spaces. Field 3 follows its closing parenthesis (proc_pid_stat(5)).
    const ticks = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .slice(11, 15);
    return ticks.map((text) => Number(text) / TICKS_PER_SECOND) as [number, number, number, number];
  }

  /** Resolves when the server is idle, after one second at most. After a load, the server still closes connections. */
  async settle(): Promise<void> {
    let spent = this.cpuSeconds();
    for (let waits = 0; waits < 1000 / SETTLE_MS; waits++) {
      await sleep(SETTLE_MS);
      const before = spent;
      spent = this.cpuSeconds();
      if (spent - before <= IDLE_SECONDS) return;
    }
  }

  /** Returns the resident memory in bytes. */
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

/** Returns the CPU time of a process, of its threads and of its children. A thread or child that has ended counts as 0. */
function cpuNanoseconds(pid: string): number {
  let sum = 0;
  for (const thread of entries(`/proc/${pid}/task`)) {
    sum += Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(" ")[0]);
    const children = read(`/proc/${pid}/task/${thread}/children`).split(" ").filter(Boolean);
    for (const child of children) sum += cpuNanoseconds(child);
  }
  return sum;
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

async function printedPort(child: ChildProcess): Promise<number> {
  const ended = once(child, "exit").then(([code]) => Promise.reject(new Error(`it exited with ${code}`)));
  const printed = once(child.stdout as NonNullable<typeof child.stdout>, "data").then(([line]) => Number(line));
  const port = await Promise.race([printed, ended, late()]);
  child.stdout?.resume();
  return port;
}

async function accepting(port: number): Promise<number> {
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
  throw new Error(`it did not accept connections within ${START_MS} ms`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return address !== null && typeof address === "object" ? address.port : 0;
}
