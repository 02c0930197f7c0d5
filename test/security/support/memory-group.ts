/** Runs a process in a memory cgroup with a limit, as in a small container. Needs Linux, root, and cgroup v1 or v2. */
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { absent } from "../../support/judge.ts";

/** A version of cgroups, with its folder for memory and the names of its files. */
interface Files {
  readonly root: string;
  readonly limit: string;
  /** The limit of memory and swap together (v1), or of swap alone (v2), and the value that leaves no swap. */
  readonly swap: string;
  readonly noSwap: (bytes: number) => number;
  /** The file whose line `oom_kill N` counts the processes that the kernel killed because of the limit. */
  readonly events: string;
  /** The field of memory.stat with the bytes of processes, without cached files. */
  readonly anonymous: string;
}

const V1: Files = {
  root: "/sys/fs/cgroup/memory",
  limit: "memory.limit_in_bytes",
  swap: "memory.memsw.limit_in_bytes",
  noSwap: (bytes) => bytes,
  events: "memory.oom_control",
  anonymous: "rss",
};
const V2: Files = {
  root: "/sys/fs/cgroup",
  limit: "memory.max",
  swap: "memory.swap.max",
  noSwap: () => 0,
  events: "memory.events",
  anonymous: "anon",
};

/** Milliseconds between two readings of the memory in use. */
const SAMPLE_MS = 10;
/** Tries to remove the group: the kernel takes a moment to remove an ended process from it. */
const REMOVE_TRIES = 100;

let created = 0;

export class MemoryGroup {
  readonly #files: Files;
  readonly #folder: string;
  #peak = 0;

  /** Creates the group. Throws if the system does not let this process create one. */
  constructor(limitBytes: number) {
    this.#files = cgroupFiles();
    this.#folder = join(this.#files.root, `hostile-${process.pid}-${created++}`);
    mkdirSync(this.#folder);
    try {
      this.#write(this.#files.limit, limitBytes);
      if (existsSync(join(this.#folder, this.#files.swap)))
        this.#write(this.#files.swap, this.#files.noSwap(limitBytes));
    } catch (error) {
      rmdirSync(this.#folder);
      throw error;
    }
  }

  /**
   * Returns a command that joins the group and then executes `command`, which keeps process id and file descriptors.
   */
  command(command: string, ...args: readonly string[]): [command: string, args: string[]] {
    const script = 'echo $$ > "$0" && exec "$@"';
    return ["sh", ["-c", script, join(this.#folder, "cgroup.procs"), command, ...args]];
  }

  /** The bytes that the processes use now, without cached files. */
  get bytes(): number {
    return this.#number("memory.stat", this.#files.anonymous);
  }

  /** The maximum of `bytes` while `sample` ran. */
  get peak(): number {
    return this.#peak;
  }

  /** True if the kernel killed a process of the group because it was over its limit. */
  get killed(): boolean {
    return this.#number(this.#files.events, "oom_kill") > 0;
  }

  /** Reads `bytes` again and again until `signal` is aborted, for `peak`. */
  async sample(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#peak = Math.max(this.#peak, this.bytes);
      await sleep(SAMPLE_MS);
    }
  }

  /** Removes the group. Rejects if a process is left in it. */
  async remove(): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return rmdirSync(this.#folder);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EBUSY" || tries === REMOVE_TRIES) throw error;
      }
      await sleep(SAMPLE_MS);
    }
  }

  #write(file: string, value: number): void {
    writeFileSync(join(this.#folder, file), String(value));
  }

  #number(file: string, name: string): number {
    const text = readFileSync(join(this.#folder, file), "utf8");
    const [, value] = new RegExp(`^${name} (\\d+)$`, "m").exec(text) ?? [];
    if (value === undefined) throw new Error(`read ${name} in ${file}: no such line`);
    return Number(value);
  }
}

/** Creates a group for the test. Returns undefined if the test is skipped, because the system cannot create one. */
export function memoryGroup(t: TestContext, limitBytes: number): MemoryGroup | undefined {
  try {
    return new MemoryGroup(limitBytes);
  } catch (error) {
    absent(t, `no memory cgroup can be created: ${(error as Error).message}`);
    return undefined;
  }
}

/** Returns the files of the version that this system has. Throws if neither version has a controller of memory. */
function cgroupFiles(): Files {
  if (existsSync(join(V1.root, V1.limit))) return V1;
  accessSync(join(V2.root, "cgroup.subtree_control"), constants.W_OK);
  writeFileSync(join(V2.root, "cgroup.subtree_control"), "+memory");
  return V2;
}
