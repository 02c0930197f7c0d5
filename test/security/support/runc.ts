/** Runs a program of the repository in a container with a limit of memory, by runc. Needs root. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { ROOT, run } from "../../support/command.ts";
import { findJudge } from "../../support/judge.ts";
import { type RunningProcess, startProcess } from "../../support/process.ts";

/** Folders of this machine that the container can read. Node needs the system's libraries. */
const FOLDERS = ["/usr", "/lib", "/lib64", ROOT];

/**
 * Starts Node with these arguments, and waits until it listens on loopback. The container has the network of this machine.
 * Returns undefined if the test is skipped.
 */
export async function startInContainer(
  t: TestContext,
  memoryBytes: number,
  ...args: readonly string[]
): Promise<RunningProcess | undefined> {
  const runc = findJudge(t, "runc");
  if (runc === undefined) return undefined;
  const bundle = await mkdtemp(join(tmpdir(), "container-"));
  const id = `test-${process.pid}-${bundle.slice(-6)}`;
  await mkdir(join(bundle, "rootfs"));
  await writeFile(join(bundle, "config.json"), JSON.stringify(config(id, memoryBytes, args)));
  // Ends the container, which would outlive its runc.
  t.after(async () => {
    await run(runc, ["delete", "--force", id]);
    await rm(bundle, { recursive: true });
  });
  return startProcess(t, runc, "run", "--bundle", bundle, id);
}

/** Returns the configuration of the container (OCI runtime specification, config.md). */
function config(id: string, memoryBytes: number, args: readonly string[]): object {
  return {
    ociVersion: "1.0.2",
    process: {
      user: { uid: 0, gid: 0 },
      args: [process.execPath, ...args],
      cwd: ROOT,
      noNewPrivileges: true,
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 20_000, soft: 20_000 }],
    },
    root: { path: "rootfs" },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs" },
      { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro"] },
      ...[...FOLDERS, process.execPath].map((path) => ({
        destination: path,
        type: "bind",
        source: path,
        options: ["rbind", "ro"],
      })),
    ],
    linux: {
      namespaces: ["pid", "mount", "ipc", "uts"].map((type) => ({ type })),
      cgroupsPath: `/${id}`,
      resources: { memory: { limit: memoryBytes, swap: memoryBytes } },
    },
  };
}
