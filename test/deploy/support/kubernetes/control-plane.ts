/** A control plane without nodes: etcd and kube-apiserver, with kubectl. Everything listens in this network namespace. */
import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { openSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ENV, type Result, run } from "../../../support/command.ts";

/** The token of an administrator, of a cluster that nobody else can reach. */
const TOKEN = "administrator";
const START_MS = 120_000;

export class ControlPlane {
  /** The folder of the cluster's files and logs. */
  readonly folder: string;
  readonly kubeconfig: string;
  /** The folder of Kubernetes' programs. */
  readonly #programs: string;

  private constructor(folder: string, programs: string) {
    this.folder = folder;
    this.#programs = programs;
    this.kubeconfig = join(folder, "kubeconfig");
  }

  /** Starts etcd and the API server, which nodes reach at `address`. Resolves when the API server is ready. */
  static async start(folder: string, programs: string, address: string): Promise<ControlPlane> {
    const cluster = new ControlPlane(folder, programs);
    await mkdir(join(folder, "logs"), { recursive: true });
    await cluster.#writeCredentials(address);
    const etcd = "http://127.0.0.1:2379";
    const peer = "http://127.0.0.1:2380";
    cluster.start("etcd", [
      ...["--data-dir", join(folder, "etcd"), "--unsafe-no-fsync"],
      ...["--listen-client-urls", etcd, "--advertise-client-urls", etcd],
      ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", `default=${peer}`],
    ]);
    cluster.start(join(programs, "kube-apiserver"), [
      ...["--etcd-servers", etcd, "--cert-dir", join(folder, "certificates"), "--advertise-address", address],
      ...["--service-cluster-ip-range", "10.62.0.0/24", "--authorization-mode", "RBAC"],
      ...["--token-auth-file", join(folder, "tokens.csv"), "--allow-privileged"],
      ...["--service-account-issuer", "https://kubernetes.default.svc"],
      ...["--service-account-signing-key-file", join(folder, "accounts.key")],
      ...["--service-account-key-file", join(folder, "accounts.pub")],
      ...["--kubelet-preferred-address-types", "InternalIP"],
    ]);
    await until("the API server is ready", START_MS, async () => {
      const { code } = await cluster.tryKubectl("get", "--raw", "/readyz");
      return code === 0;
    });
    return cluster;
  }

  /** Starts a program that logs to a file. It ends with the PID namespace of this process. */
  start(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
    const name = program.replace(/.*\//, "");
    const log = openSync(join(this.folder, "logs", `${name}.log`), "a");
    const child = spawn(program, args, { env: { ...ENV, ...env }, stdio: ["ignore", log, log] });
    child.on("error", (error) => console.error(`start ${name}: ${error.message}`));
    child.on("exit", (code, signal) => console.error(`${name} ended with ${code ?? signal}; see ${this.folder}/logs`));
    return child;
  }

  /** Runs kubectl, and returns its output. Throws if it fails. */
  async kubectl(...args: readonly string[]): Promise<string> {
    return this.kubectlWith("", ...args);
  }

  /** Runs kubectl with `input` as its stdin, and returns its output. Throws if it fails. */
  async kubectlWith(input: string, ...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.tryKubectlWith(input, ...args);
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: exit ${code}: ${stderr.trim()}`);
    return stdout;
  }

  tryKubectl(...args: readonly string[]): Promise<Result> {
    return this.tryKubectlWith("", ...args);
  }

  tryKubectlWith(input: string, ...args: readonly string[]): Promise<Result> {
    const options = { env: { ...ENV, KUBECONFIG: this.kubeconfig, HOME: this.folder }, input, timeout: 300_000 };
    return run(join(this.#programs, "kubectl"), args, options);
  }

  async #writeCredentials(address: string): Promise<void> {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", {
      modulusLength: 2_048,
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });
    await writeFile(join(this.folder, "accounts.key"), privateKey, { mode: 0o600 });
    await writeFile(join(this.folder, "accounts.pub"), publicKey);
    await writeFile(join(this.folder, "tokens.csv"), `${TOKEN},administrator,administrator,system:masters\n`);
    const kubeconfig = {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "test", cluster: { server: `https://${address}:6443`, "insecure-skip-tls-verify": true } }],
      users: [{ name: "administrator", user: { token: TOKEN } }],
      contexts: [{ name: "test", context: { cluster: "test", user: "administrator" } }],
      "current-context": "test",
    };
    await writeFile(this.kubeconfig, JSON.stringify(kubeconfig));
  }
}

/** Waits until `isTrue`. Throws after `ms`, with `what` in the message. */
export async function until(what: string, ms: number, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + ms; !(await isTrue()); await sleep(200)) {
    if (performance.now() > end) throw new Error(`wait until ${what}: not in ${ms / 1_000} s`);
  }
}
