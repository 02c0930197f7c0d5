/**
 * Tests the manifests in a cluster of one node. Each setting that is guarded is then changed, and must lose calls, leave pods
 * without load, or end one. Runs in a sandbox, and writes the result to a file.
 */
import { writeFile } from "node:fs/promises";
import { ControlPlane } from "./control-plane.ts";
import { Deployment } from "./deployment.ts";
import { NODE_ADDRESS, prepareNetwork, startNode } from "./node.ts";
import { type Load, rollOut } from "./rollouts.ts";
import { keepWrites, prepareSandbox } from "./sandbox.ts";
import { attackMemory, evict, hang, renewCertificate, scaleOut } from "./scenarios.ts";

interface Input {
  readonly folder: string;
  readonly programs: string;
  /** Archives of images. */
  readonly images: readonly string[];
  /** The name of the cgroup of all pods. */
  readonly cgroup: string;
  /** The path of the result. */
  readonly output: string;
}

const ROLLOUTS = 2;
const result: Record<string, unknown> = {};

/** Runs one check, and adds what it returns to the result. */
async function record<T>(name: string, check: () => Promise<T>): Promise<T> {
  console.log(name);
  const outcome = await check();
  console.log(JSON.stringify(outcome));
  result[name] = outcome;
  return outcome;
}

async function checkRollouts(deployment: Deployment): Promise<void> {
  await deployment.apply({});
  await record("rollouts", async () => {
    const { load, broken } = await rollOut(deployment, ROLLOUTS);
    expect(broken.length === 0 && load.lost === 0, broken.join("\n"));
    return load;
  });
  const fast = { minReadySeconds: 0 };
  await record("rollouts without minReadySeconds", () =>
    loses(deployment, fast, ({ lost, lostOnHeadless }) => lostOnHeadless > 0 && lost === lostOnHeadless),
  );
  await record("rollouts without the drain delay", () =>
    loses(deployment, { ...fast, settings: ["DRAIN_DELAY_MS=0"] }, ({ lost, lostOnHeadless }) => lost > lostOnHeadless),
  );
}

/** Makes rollouts with these changes, and throws unless they lose the calls that the changes cost. */
async function loses(
  deployment: Deployment,
  changes: Parameters<Deployment["apply"]>[0],
  isExpected: (load: Load) => boolean,
): Promise<Load> {
  await deployment.apply(changes);
  const { load } = await rollOut(deployment, ROLLOUTS);
  expect(isExpected(load), `rollouts with ${JSON.stringify(changes)} lost other calls: ${JSON.stringify(load)}`);
  return load;
}

function expect(isRight: boolean, problem: string): void {
  if (!isRight) throw new Error(problem);
}

const { folder, programs, images, cgroup, output }: Input = JSON.parse(process.argv[2] ?? "");
prepareSandbox();
keepWrites();
prepareNetwork();
const cluster = await ControlPlane.start(folder, programs, NODE_ADDRESS);
await startNode(cluster, programs, cgroup, images);
const deployment = new Deployment(cluster);
await checkRollouts(deployment);
await record("scale-out", () => scaleOut(deployment, true));
await record("scale-out without a maximum age", () => scaleOut(deployment, false));
await record("attack on memory", () => attackMemory(deployment, true));
await record("attack on memory without limits", () => attackMemory(deployment, false));
await record("evictions refused", () => evict(cluster, deployment, true));
await record("evictions refused without a budget", () => evict(cluster, deployment, false));
await record("a process that hangs", () => hang(deployment, true));
await record("a process that hangs without liveness probe", () => hang(deployment, false));
await record("seconds until a renewed certificate is served", () => renewCertificate(cluster, deployment));
await writeFile(output, JSON.stringify(result));
process.exit();
