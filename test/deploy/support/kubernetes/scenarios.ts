/** Checks of the cluster besides rollouts. Each has a setting that it guards, and is run with that setting off, too. */
import { globSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { retryRefused } from "../../../../src/server/retry-refused.ts";
import { CallService } from "../../../gen/calls/v1/calls_pb.ts";
import { sendUnfinished } from "../../../security/attacks/unfinished.ts";
import { selfSigned } from "../../../support/certificates.ts";
import { type ControlPlane, until } from "./control-plane.ts";
import { ADMIN_PORT, type Deployment, NAME, PORT, type Pod, REPLICAS } from "./deployment.ts";

const AGE_MS = 3_000;
const CONNECTIONS = 32;
const SCALED_REPLICAS = 4;
const ATTACKERS = 45;
const WAIT_MS = 180_000;
/** Twice the time in which the liveness probe finds a process that hangs. */
const UNPROBED_MS = 60_000;

/** Calls of several clients, each on one connection at a time. */
class LongConnections {
  calls = 0;
  readonly failures: unknown[] = [];
  readonly #stop = new AbortController();
  readonly #runs: readonly Promise<void>[];

  constructor() {
    this.#runs = Array.from({ length: CONNECTIONS }, () => this.#run());
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#runs);
  }

  async #run(): Promise<void> {
    const transport = createGrpcTransport({ baseUrl: `http://${NAME}:${PORT}`, interceptors: [retryRefused] });
    const { add } = createClient(CallService, transport);
    while (!this.#stop.signal.aborted) {
      this.calls++;
      await add({ a: 1, b: 2 }).catch((error) => this.failures.push(error));
      await sleep(50);
    }
  }
}

export interface ScaleOut {
  readonly connections: number;
  readonly calls: number;
  readonly lost: number;
  /** The connections of each pod, in the order of their numbers. */
  readonly connectionsOfPods: readonly number[];
}

/**
 * Adds pods while clients keep their connections. With a maximum age of connections, each pod must get at least a quarter of
 * its equal share. Without, the added pods must get none in four times that age.
 */
export async function scaleOut(deployment: Deployment, hasAge: boolean): Promise<ScaleOut> {
  await deployment.apply({ settings: [`MAX_CONNECTION_AGE_MS=${hasAge ? AGE_MS : "off"}`], minReadySeconds: 0 });
  const clients = new LongConnections();
  await until("all clients are connected", WAIT_MS, async () => sumOf(await connectionsOf(deployment)) >= CONNECTIONS);
  await deployment.scale(SCALED_REPLICAS);
  const least = CONNECTIONS / SCALED_REPLICAS / 4;
  let counts: number[] = [];
  if (hasAge) {
    await until(`each pod has ${least} connections`, WAIT_MS, async () => {
      counts = await connectionsOf(deployment);
      return counts.every((count) => count >= least);
    });
  } else {
    await sleep(4 * AGE_MS);
    counts = await connectionsOf(deployment);
    check(counts.filter((count) => count === 0).length === SCALED_REPLICAS - REPLICAS, `connections moved: ${counts}`);
  }
  await clients.stop();
  await deployment.scale(REPLICAS);
  check(clients.failures.length === 0, `${clients.failures.length} calls were lost: ${clients.failures[0]}`);
  return {
    connections: CONNECTIONS,
    calls: clients.calls,
    lost: 0,
    connectionsOfPods: counts.toSorted((a, b) => a - b),
  };
}

/** Asks each pod for its HTTP/2 connections, on the port that Prometheus scrapes. */
async function connectionsOf(deployment: Deployment): Promise<number[]> {
  return Promise.all(
    (await deployment.pods()).map(async ({ address }) => {
      const metrics = await (await fetch(`http://${address}:${ADMIN_PORT}/metrics`)).text();
      return Number(/^rpc_server_connections\{http_version="2"\} (\d+)$/m.exec(metrics)?.[1]);
    }),
  );
}

export interface Attack {
  readonly connections: number;
  readonly restarts: number;
  readonly reason: string | undefined;
}

/** Attacks the memory of one pod. With the default limits it must keep serving, and without limits on bodies be killed. */
export async function attackMemory(deployment: Deployment, hasLimits: boolean): Promise<Attack> {
  const settings = hasLimits ? [] : ["BUFFERED_BYTES=off", "BUFFERED_BYTES_PER_CONNECTION=off"];
  await deployment.apply({ settings, minReadySeconds: 0 });
  const target = await aPodOf(deployment);
  const cleanups: (() => unknown)[] = [];
  await sendUnfinished(
    { after: (end) => void cleanups.push(end as () => unknown) },
    `http://${target.address}:${PORT}`,
    ATTACKERS,
  );
  if (hasLimits)
    check((await fetch(`http://${target.address}:${PORT}/healthz`)).ok, "the pod that is attacked does not serve");
  else await until("the pod is killed", WAIT_MS, async () => (await podOf(deployment, target)).restarts > 0);
  for (const end of cleanups) end();
  const { restarts, lastReason } = await podOf(deployment, target);
  check(hasLimits ? restarts === 0 : lastReason === "OOMKilled", `the pod had ${restarts} restarts: ${lastReason}`);
  return { connections: ATTACKERS, restarts, reason: lastReason };
}

export interface Hang {
  readonly restarts: number;
  readonly seconds: number;
}

/** Stops the process of one pod, as if its event loop hung. With the liveness probe, kubelet must restart it, and without not. */
export async function hang(deployment: Deployment, hasLivenessProbe: boolean): Promise<Hang> {
  await deployment.apply({ minReadySeconds: 0, hasLivenessProbe });
  const target = await aPodOf(deployment);
  const pid = processOf(target);
  const began = performance.now();
  const restarts = async (): Promise<number> => (await podOf(deployment, target)).restarts;
  process.kill(pid, "SIGSTOP");
  if (hasLivenessProbe) await until("kubelet restarts the container", WAIT_MS, async () => (await restarts()) > 0);
  else await sleep(UNPROBED_MS);
  const result = { restarts: await restarts(), seconds: Math.round((performance.now() - began) / 1_000) };
  if (!hasLivenessProbe) process.kill(pid, "SIGCONT");
  check(result.restarts === (hasLivenessProbe ? 1 : 0), `the pod that hangs had ${result.restarts} restarts`);
  await deployment.settled();
  return result;
}

/** Returns the id, in this PID namespace, of the server of a pod. */
function processOf({ name }: Pod): number {
  for (const path of globSync("/proc/[0-9]*/environ")) {
    try {
      const isServer = readFileSync(path.replace(/environ$/, "cmdline"), "utf8").includes("server.mjs");
      if (isServer && readFileSync(path, "utf8").includes(`HOSTNAME=${name}\0`)) return Number(path.split("/")[2]);
    } catch {
      // A process that has ended.
    }
  }
  throw new Error(`find the process of ${name}: none has its host name`);
}

/**
 * Evicts all pods at once, as drains of several nodes do. With the PodDisruptionBudget, the API server must refuse all but one,
 * and without it none. Returns the number of evictions that it refused.
 */
export async function evict(cluster: ControlPlane, deployment: Deployment, hasBudget: boolean): Promise<number> {
  await deployment.apply({ minReadySeconds: 0 });
  if (!hasBudget) await deployment.kubectl("delete", "poddisruptionbudget", NAME);
  let refused = 0;
  for (const { name } of await deployment.pods()) {
    const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace: NAME } };
    const path = `/api/v1/namespaces/${NAME}/pods/${name}/eviction`;
    const { code, stderr } = await cluster.tryKubectlWith(
      JSON.stringify(eviction),
      "create",
      "--raw",
      path,
      "--filename",
      "-",
    );
    check(code === 0 || /violate the pod's disruption budget/.test(stderr), `evict ${name}: ${stderr}`);
    if (code !== 0) refused++;
  }
  check(refused === (hasBudget ? REPLICAS - 1 : 0), `${refused} evictions were refused`);
  await deployment.settled();
  return refused;
}

/** Serves with TLS, and renews the Secret. Returns the seconds until all pods have the new certificate, without a restart. */
export async function renewCertificate(cluster: ControlPlane, deployment: Deployment): Promise<number> {
  await writeSecret(cluster, "first");
  await deployment.apply({ components: ["tls"], minReadySeconds: 0 });
  const pods = await deployment.pods();
  const subjects = async (): Promise<string> =>
    (await Promise.all(pods.map(({ address }) => subjectOf(address)))).join();
  check((await subjects()) === "first,first", `the certificates are of ${await subjects()}`);
  await writeSecret(cluster, "second");
  const began = performance.now();
  await until("all pods have the new certificate", WAIT_MS, async () => (await subjects()) === "second,second");
  const seconds = Math.round((performance.now() - began) / 1_000);
  const after = await deployment.pods();
  check(
    after.every(({ name, restarts }) => restarts === 0 && pods.some((pod) => pod.name === name)),
    "a pod was restarted",
  );
  return seconds;
}

/** Writes the Secret that components/tls mounts, as cert-manager does. */
async function writeSecret(cluster: ControlPlane, subject: string): Promise<void> {
  const { cert, key } = await selfSigned({ subject: `CN=${subject}`, names: [{ type: "dns", value: NAME }] });
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: `${NAME}-tls`, namespace: NAME },
    type: "kubernetes.io/tls",
    stringData: { "tls.crt": cert, "tls.key": key },
  };
  await cluster.kubectlWith(JSON.stringify(secret), "apply", "--filename", "-");
}

/** Returns the common name of the certificate that a pod serves. */
async function subjectOf(host: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = tls.connect({ host, port: PORT, rejectUnauthorized: false }, resolve).on("error", reject);
  await promise;
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
}

async function aPodOf(deployment: Deployment): Promise<Pod> {
  const [pod] = await deployment.pods();
  if (pod === undefined) throw new Error("choose a pod: the Deployment is without pods");
  return pod;
}

async function podOf(deployment: Deployment, { name }: Pod): Promise<Pod> {
  const pod = (await deployment.pods()).find((each) => each.name === name);
  if (pod === undefined) throw new Error(`look at ${name}: it is gone`);
  return pod;
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}

function check(isRight: boolean, problem: string): void {
  if (!isRight) throw new Error(problem);
}
