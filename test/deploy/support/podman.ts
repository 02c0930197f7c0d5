/** Runs images of tests by podman, as deploy/Containerfile says: a read-only root, no capabilities, no new privileges. */
import { randomBytes } from "node:crypto";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { LogRecord } from "../../../src/server/log/record.ts";
import { type Result, run } from "../../support/command.ts";
import { freePort } from "../../support/prometheus.ts";
import { type Image, storageFlags } from "./image.ts";

/** The flags that the comment of deploy/Containerfile gives to a container. */
export const CONFINED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"];
/** Podman's defaults for root can be more than the machine allows. */
const LIMITS = ["--ulimit", "nofile=20000:20000", "--ulimit", "nproc=4096:4096"];
const START_MS = 30_000;

/** A container that listens. */
export interface Container {
  /** The address of its port on this machine, "127.0.0.1:PORT". */
  readonly authority: string;
  /** The time from the command to the server's line that it listens. */
  readonly startMs: number;
  /** The lines of its log. */
  records(): Promise<LogRecord[]>;
  /** Runs a command in the container. */
  exec(...command: readonly string[]): Promise<Result>;
  /** Runs the health check of the image once. Resolves with its exit code, and the status of the container, such as "healthy". */
  checkHealth(): Promise<[number | null, string]>;
  /** Stops the container, and kills it after `seconds`. Resolves with its exit code. */
  stop(seconds: number): Promise<number>;
}

/** Starts a container with the flags of `podman run`, and waits until the server listens. Removes it with the test. */
export async function startContainer(t: TestContext, image: Image, ...flags: readonly string[]): Promise<Container> {
  const name = `test-${randomBytes(6).toString("hex")}`;
  const authority = `127.0.0.1:${await freePort()}`;
  t.after(() => podman("rm", "--force", "--time", "0", "--ignore", name));
  const begun = performance.now();
  await output("run", "--detach", "--name", name, "--publish", `${authority}:50051`, ...LIMITS, ...flags, image.name);
  async function records(): Promise<LogRecord[]> {
    const { stderr } = await podman("logs", name);
    return stderr
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line));
  }
  const isListening = async () => (await records()).some(({ event }) => event === "listening");
  while (!(await isListening())) {
    if (performance.now() - begun > START_MS)
      throw new Error(`start ${image.name}: ${(await podman("logs", name)).stderr}`);
    await sleep(50);
  }
  return {
    authority,
    startMs: performance.now() - begun,
    records,
    exec: (...command) => podman("exec", name, ...command),
    async checkHealth() {
      const { code } = await podman("healthcheck", "run", name);
      return [code, await output("inspect", "--format", "{{.State.Health.Status}}", name)];
    },
    async stop(seconds) {
      await output("stop", "--time", String(seconds), name);
      return Number(await output("inspect", "--format", "{{.State.ExitCode}}", name));
    },
  };
}

/** The facts about an image that tests compare. */
export interface ImageDetails {
  readonly Size: number;
  readonly Healthcheck: { readonly Test: readonly string[] };
  readonly Config: {
    readonly User: string;
    readonly Labels: Readonly<Record<string, string>>;
    readonly ExposedPorts: object;
    readonly StopSignal: string;
    readonly Entrypoint: readonly string[];
  };
}

export async function inspectImage({ name }: Image): Promise<ImageDetails> {
  const [details] = JSON.parse(await output("image", "inspect", name));
  return details;
}

async function podman(...args: readonly string[]): Promise<Result> {
  return run("podman", [...(await storageFlags()), "--runtime", "runc", "--cgroup-manager", "cgroupfs", ...args]);
}

/** Returns the output of podman without the last line feed. Rejects if it fails. */
async function output(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await podman(...args);
  if (code !== 0) throw new Error(`run podman ${args.join(" ")}: it ended with ${code}: ${stderr}`);
  return stdout.trimEnd();
}
