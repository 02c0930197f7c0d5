/**
 * Boots a machine with systemd as its first process: a container of systemd-nspawn with the programs of this machine, and
 * with an empty /etc and a network of its own.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { bundle } from "../../../tools/bundle.ts";
import { type Result, ROOT, run } from "../../support/command.ts";
import { absent, findProgram } from "../../support/judge.ts";

/** The folder of the repository in the machine. */
export const REPOSITORY = "/srv/repository";

const PROGRAMS = ["systemd-nspawn", "systemd-analyze", "nsenter", "setpriv", "curl", "pgrep", "ss", "groupadd"];
/** Time for the machine to start, and for a condition to become true. */
const WAIT_MS = 30_000;
/** Seconds after which a command in the machine is killed. */
const COMMAND_S = "40";

/** Skips the test with the reason if this machine cannot boot another one, or fails it in CI. */
export function canBoot(t: Pick<TestContext, "skip">): boolean {
  const missing = PROGRAMS.filter((name) => findProgram(name) === undefined);
  if (process.getuid?.() !== 0) absent(t, "systemd-nspawn needs root");
  else if (missing.length > 0) absent(t, `${missing.join(" and ")} not on PATH`);
  else return true;
  return false;
}

/** Reports that this machine could not boot another one. */
export class BootError extends Error {}

export class Machine {
  readonly #nspawn: ChildProcess;
  readonly #folder: string;
  readonly #groups: readonly string[];
  readonly #output: () => string;
  #leader = 0;

  private constructor(nspawn: ChildProcess, folder: string, groups: readonly string[], output: () => string) {
    this.#groups = groups;
    this.#nspawn = nspawn;
    this.#folder = folder;
    this.#output = output;
  }

  /**
   * Boots a machine, and calls `setUp` when its systemd runs. REPOSITORY has Node, the folder deploy/ and the bundle. Ends the
   * machine if either fails. Throws BootError if systemd does not start.
   */
  static async boot(setUp: (machine: Machine) => Promise<void>): Promise<Machine> {
    const folder = await mkdtemp(join(tmpdir(), "machine-"));
    chmodSync(folder, 0o755);
    await bundle(join(folder, "build"));
    await cp(join(ROOT, "deploy"), join(folder, "deploy"), { recursive: true });
    await writeFile(join(folder, "node"), ""); // the mount point of Node
    const name = `connect-server-${process.pid}`;
    // Without groups of its own, the machine would share those of other machines.
    const groups = groupPaths(name);
    try {
      for (const group of groups) await mkdir(group);
    } catch (error) {
      await rm(folder, { recursive: true });
      throw new BootError(`boot a machine: ${(error as Error).message}`);
    }
    const enter = groups.map((group) => `echo $$ >${group}/cgroup.procs`).join("\n");
    const args = ["--pdeathsig", "TERM", "sh", "-e", "-c", `${enter}\nexec "$@"`, "sh"];
    args.push("systemd-nspawn", "--directory=/", "--volatile=yes");
    args.push("--register=no", "--keep-unit", "--private-network", `--machine=${name}`);
    args.push("--console=pipe", `--bind-ro=${folder}:${REPOSITORY}`);
    args.push(`--bind-ro=${process.execPath}:${REPOSITORY}/node`);
    args.push("--boot", "systemd.unit=basic.target", "systemd.firstboot=no");
    const nspawn = spawn("setpriv", args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [nspawn.stdout, nspawn.stderr])
      stream.on("data", (text) => {
        output += text;
      });
    const machine = new Machine(nspawn, folder, groups, () => output);
    try {
      await machine
        .until("the machine has started", () => machine.#hasStarted())
        .catch((error: Error) => {
          throw new BootError(error.message);
        });
      await setUp(machine);
    } catch (error) {
      await machine.end();
      throw error;
    }
    return machine;
  }

  async #hasStarted(): Promise<boolean> {
    const { pid, exitCode } = this.#nspawn;
    if (exitCode !== null) throw new Error(`boot a machine: systemd-nspawn ended with ${exitCode}: ${this.#output()}`);
    this.#leader = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ")[0]);
    return this.#leader > 0 && (await this.run("systemctl", "is-active", "basic.target")).stdout === "active\n";
  }

  /** Runs a command in the machine. */
  run(...command: string[]): Promise<Result> {
    return run("nsenter", ["--target", String(this.#leader), "--all", "--", "timeout", COMMAND_S, ...command]);
  }

  /** Runs a command in the machine. Returns its output, and throws Error if it fails. */
  async must(...command: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...command);
    if (code !== 0) throw new Error(`${command.join(" ")}: it ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Starts a Node program of the repository in the network of the machine. Its output is a pipe. */
  startNode(...args: string[]): ChildProcess {
    const command = ["--target", String(this.#leader), "--net", "--", process.execPath, ...args];
    return spawn("nsenter", command, { stdio: ["pipe", "pipe", "inherit"] });
  }

  async write(path: string, text: string | Uint8Array, mode = 0o644): Promise<void> {
    const inside = `/proc/${this.#leader}/root${path}`;
    await mkdir(dirname(inside), { recursive: true });
    await writeFile(inside, text, { mode });
  }

  /** Removes a file or a folder. */
  async remove(path: string): Promise<void> {
    await rm(`/proc/${this.#leader}/root${path}`, { recursive: true, force: true });
  }

  /** Returns a property of a unit. */
  async property(unit: string, name: string): Promise<string> {
    return (await this.must("systemctl", "show", "--property", name, "--value", unit)).trim();
  }

  /** Waits until a condition is met. Throws Error after WAIT_MS. */
  async until(what: string, isMet: () => boolean | Promise<boolean>): Promise<void> {
    const end = performance.now() + WAIT_MS;
    while (!(await isMet())) {
      if (performance.now() > end) throw new Error(`wait until ${what}: it took more than ${WAIT_MS} ms`);
      await sleep(50);
    }
  }

  /** Ends all processes of the machine. */
  async end(): Promise<void> {
    if (this.#leader > 0) process.kill(this.#leader, "SIGKILL");
    else this.#nspawn.kill("SIGKILL");
    if (this.#nspawn.exitCode === null && this.#nspawn.signalCode === null) await once(this.#nspawn, "exit");
    await rm(this.#folder, { recursive: true });
    if (this.#groups.length > 0) await run("find", [...this.#groups, "-depth", "-type", "d", "-delete"]);
  }
}

/** Returns the paths of a control group below that of this process: one for each hierarchy that systemd-nspawn uses. */
function groupPaths(name: string): string[] {
  const lines = readFileSync("/proc/self/cgroup", "utf8").trim().split("\n");
  const paths = lines.flatMap((line) => {
    const [, controllers, own = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === "name=systemd") return [join("/sys/fs/cgroup/systemd", own)];
    return controllers === "" ? [join("/sys/fs/cgroup/unified", own), join("/sys/fs/cgroup", own)] : [];
  });
  return paths.filter((path) => existsSync(join(path, "cgroup.procs"))).map((path) => join(path, name));
}
