/**
 * Runs a module with namespaces of its own: network, processes, mounts, IPC and host name. When it ends, all processes that it
 * started end with it, and its mounts and its network are gone.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { ENV, ROOT } from "../../../support/command.ts";

/** Runs the module with `input` as its argument, in JSON. Throws if it fails or takes longer than `limitMs`. */
export async function runInSandbox(module: string, input: unknown, limitMs: number): Promise<void> {
  // A user who is not root gets a user namespace, which suffices without nodes.
  const user = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const namespaces = ["--net", "--mount", "--ipc", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const args = [...user, ...namespaces, "--", process.execPath, module, JSON.stringify(input)];
  const child = spawn("unshare", args, { cwd: ROOT, env: ENV, stdio: ["ignore", "inherit", "inherit"] });
  const end = (): void => killFirstProcess(child);
  const timer = setTimeout(end, limitMs);
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, end);
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  clearTimeout(timer);
  if (code !== 0) throw new Error(`run ${module}: ${code ?? signal}, after at most ${limitMs / 60_000} minutes`);
}

/** In the sandbox: brings the loopback interface up, and hides /run, which has the sockets of the machine's services. */
export function prepareSandbox(): void {
  command("ip", "link", "set", "lo", "up");
  command("mount", "-t", "tmpfs", "tmpfs", "/run");
}

/**
 * In the sandbox, after `prepareSandbox`: keeps what a node writes into /var/log and /var/lib from the machine. Kubelet uses folders
 * there whatever its settings are, and clears one at its start. Programs still read the files that the machine has in /var/lib.
 */
export function keepWrites(): void {
  command("mount", "-t", "tmpfs", "tmpfs", "/var/log");
  const layers = "/run/var-lib";
  mkdirSync(`${layers}/upper`, { recursive: true });
  mkdirSync(`${layers}/work`);
  const options = `lowerdir=/var/lib,upperdir=${layers}/upper,workdir=${layers}/work`;
  command("mount", "-t", "overlay", "overlay", "-o", options, "/var/lib");
}

/** Runs a program of the system. Throws if it fails. */
export function command(program: string, ...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`run ${program} ${args.join(" ")}: ${error?.message ?? stderr.trim()}`);
  return stdout;
}

/**
 * Kills the first process of the PID namespace, with which the kernel kills all others. `unshare` exits when they have ended, which
 * it could not tell if it were killed itself.
 */
function killFirstProcess({ pid }: ChildProcess): void {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  for (const first of children.split(" ")) if (first !== "") process.kill(Number(first), "SIGKILL");
}
