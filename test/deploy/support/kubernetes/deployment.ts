/** The manifests as they are applied to the cluster, with the image of the test and changes of settings. */
import { type ControlPlane, until } from "./control-plane.ts";
import { SERVER } from "./images.ts";
import { Kustomizations } from "./manifests.ts";

/** The namespace of the base, and the name of its Deployment and its Services. */
export const NAME = "connect-server";
export const PORT = 50_051;
export const ADMIN_PORT = 9_464;
/** The replicas that the HorizontalPodAutoscaler keeps without load. */
export const REPLICAS = 2;
const ROLLOUT_MS = 300_000;

export interface Changes {
  readonly components?: readonly string[];
  /** Variables of the server, such as "DRAIN_DELAY_MS=0". */
  readonly settings?: readonly string[];
  /** A field of the Deployment's spec. The base has 30 s, which are only for clients that ask DNS. */
  readonly minReadySeconds?: number;
  readonly hasLivenessProbe?: boolean;
}

export interface Pod {
  readonly name: string;
  readonly address: string;
  readonly restarts: number;
  /** The reason of the container's last end, such as "OOMKilled". */
  readonly lastReason: string | undefined;
}

interface PodObject {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly status: {
    readonly podIP?: string;
    readonly containerStatuses?: readonly [
      { readonly restartCount: number; readonly lastState: { readonly terminated?: { readonly reason: string } } },
    ];
  };
}

export class Deployment {
  readonly #cluster: ControlPlane;

  constructor(cluster: ControlPlane) {
    this.#cluster = cluster;
  }

  /** Applies the base with these changes. Resolves when all pods are new and ready. */
  async apply({ components = [], settings = [], ...fields }: Changes): Promise<void> {
    await using kustomizations = await Kustomizations.create();
    const operations = operationsFor(fields);
    const folder = await kustomizations.make({
      namespace: NAME,
      components,
      images: [{ name: NAME, newName: SERVER.name, newTag: SERVER.tag }],
      ...(settings.length > 0 && { configMapGenerator: [{ name: NAME, behavior: "merge", literals: settings }] }),
      ...(operations.length > 0 && {
        patches: [{ target: { kind: "Deployment" }, patch: JSON.stringify(operations) }],
      }),
    });
    await this.#cluster.kubectl("apply", "--kustomize", folder);
    await this.settled();
  }

  /** Replaces all pods by `kubectl rollout restart`. Resolves when the old ones are gone. */
  async restart(): Promise<void> {
    await this.kubectl("rollout", "restart", `deployment/${NAME}`);
    await this.settled();
  }

  /** Waits until the rollout is complete, and the old pods are gone. */
  async settled(replicas = REPLICAS): Promise<void> {
    await this.kubectl("rollout", "status", `deployment/${NAME}`, `--timeout=${ROLLOUT_MS / 1_000}s`);
    await until(`${replicas} pods are ready, and no others exist`, ROLLOUT_MS, async () => {
      const status = "jsonpath={.status.replicas} {.status.updatedReplicas} {.status.availableReplicas}";
      const counts = await this.kubectl("get", "deployment", NAME, "--output", status);
      const pods = await this.#objects();
      return counts === `${replicas} ${replicas} ${replicas}` && pods.length === replicas;
    });
  }

  /**
   * Sets the least replicas of the HorizontalPodAutoscaler, and, since the cluster measures no CPU time by which it would remove
   * pods, removes those above. Resolves when the pods are ready.
   */
  async scale(replicas: number): Promise<void> {
    const patch = JSON.stringify({ spec: { minReplicas: replicas } });
    await this.kubectl("patch", "horizontalpodautoscaler", NAME, "--patch", patch);
    if (replicas < (await this.pods()).length)
      await this.kubectl("scale", "deployment", NAME, `--replicas=${replicas}`);
    await this.settled(replicas);
  }

  async pods(): Promise<Pod[]> {
    return (await this.#objects()).map(({ metadata, status: { podIP = "", containerStatuses } }) => ({
      name: metadata.name,
      address: podIP,
      restarts: containerStatuses?.[0].restartCount ?? 0,
      lastReason: containerStatuses?.[0].lastState.terminated?.reason,
    }));
  }

  /** Runs kubectl in the namespace. Throws if it fails. */
  kubectl(...args: readonly string[]): Promise<string> {
    return this.#cluster.kubectl("--namespace", NAME, ...args);
  }

  async #objects(): Promise<readonly PodObject[]> {
    return JSON.parse(await this.kubectl("get", "pods", "--output", "json")).items;
  }
}

/** Returns the operations of a JSON Patch (RFC 6902) that change these fields of the Deployment. */
function operationsFor({ minReadySeconds, hasLivenessProbe = true }: Changes): object[] {
  return [
    ...(minReadySeconds === undefined
      ? []
      : [{ op: "replace", path: "/spec/minReadySeconds", value: minReadySeconds }]),
    ...(hasLivenessProbe ? [] : [{ op: "remove", path: "/spec/template/spec/containers/0/livenessProbe" }]),
  ];
}
