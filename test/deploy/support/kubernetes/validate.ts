/**
 * Validates the manifests with a real API server: strictly, and with Pod Security enforced. Each check runs again on manifests
 * that are broken, which the API server must refuse. Runs in a sandbox, and writes a Validation to a file.
 */
import { writeFile } from "node:fs/promises";
import { ControlPlane } from "./control-plane.ts";
import { Kustomizations } from "./manifests.ts";
import { prepareSandbox } from "./sandbox.ts";

const DRY_RUN = ["apply", "--dry-run=server", "--validate=strict", "--filename", "-"];

interface Validation {
  /** The objects of each kustomization that the API server accepted. */
  readonly accepted: Readonly<Record<string, number>>;
  /** The objects with a misspelt field that it refused: all of them, one after the other. */
  readonly refusedMisspelt: number;
  /** The pods that it refused without a field, by the name of the field. */
  readonly refusedPods: Readonly<Record<string, number>>;
}

interface PodSpec {
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly containers: readonly [{ readonly securityContext: Readonly<Record<string, unknown>> }];
}

/** Ways to break Pod Security's profile "restricted". Each returns the spec without a field. */
const UNRESTRICTED: Readonly<Record<string, (spec: PodSpec) => PodSpec>> = {
  runAsNonRoot: (spec) => withoutPodField(spec, "runAsNonRoot"),
  seccompProfile: (spec) => withoutPodField(spec, "seccompProfile"),
  allowPrivilegeEscalation: (spec) => withoutContainerField(spec, "allowPrivilegeEscalation"),
  capabilities: (spec) => withoutContainerField(spec, "capabilities"),
};

interface Input {
  readonly folder: string;
  readonly programs: string;
  readonly definitions: readonly string[];
  readonly output: string;
}

/** Validates all kustomizations. `definitions` are files of the CustomResourceDefinitions that they use. Throws if one fails. */
async function validate(cluster: ControlPlane, definitions: readonly string[]): Promise<Validation> {
  for (const file of definitions) await cluster.kubectl("create", "--filename", file);
  await cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all");
  await using kustomizations = await Kustomizations.create();
  const accepted: Record<string, number> = {};
  const refusedPods: Record<string, number> = {};
  let refusedMisspelt = 0;
  for (const [name, folder] of await kustomizations.all()) {
    const objects = splitObjects(await cluster.kubectl("kustomize", folder));
    const namespace = await createNamespace(cluster, objects);
    checkNamespaces(name, objects, namespace);
    const output = await cluster.kubectlWith(objects.join("---\n"), ...DRY_RUN);
    accepted[name] = output.trim().split("\n").length;
    for (const object of objects) {
      await refuses(cluster, misspell(object), /unknown field "(?:spec\.)?misspelt"/);
      refusedMisspelt++;
    }
    for (const field of await validatePods(cluster, objects, namespace))
      refusedPods[field] = (refusedPods[field] ?? 0) + 1;
  }
  return { accepted, refusedMisspelt, refusedPods };
}

function splitObjects(yaml: string): string[] {
  return yaml.split(/^---\n/m);
}

/** Creates the namespace of the objects, without which the API server cannot validate them. Returns its name. */
async function createNamespace(cluster: ControlPlane, objects: readonly string[]): Promise<string> {
  const object = objects.find((text) => /^kind: Namespace$/m.test(text)) ?? "";
  const [, namespace = ""] = /^ {2}name: (\S+)$/m.exec(object) ?? [];
  await cluster.kubectlWith(object, "apply", "--validate=strict", "--filename", "-");
  // Without a controller manager, nobody else creates it.
  const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default", namespace } };
  await cluster.kubectlWith(JSON.stringify(account), "apply", "--filename", "-");
  return namespace;
}

/** Throws if an object is outside of the namespace. */
function checkNamespaces(name: string, objects: readonly string[], namespace: string): void {
  for (const object of objects) {
    if (/^kind: Namespace$/m.test(object) || object.includes(`\n  namespace: ${namespace}\n`)) continue;
    throw new Error(`validate ${name}: an object is not in the namespace ${namespace}:\n${object}`);
  }
}

/** Adds an unknown field to an object in YAML, in its spec if it has one. */
function misspell(object: string): string {
  return /^spec:$/m.test(object) ? object.replace(/^spec:$/m, "spec:\n  misspelt: 1") : `${object}misspelt: 1\n`;
}

/** Checks that the pods of the Deployment are accepted, and refused without each of the fields, which it returns. */
async function validatePods(cluster: ControlPlane, objects: readonly string[], namespace: string): Promise<string[]> {
  const deployment = objects.find((text) => /^kind: Deployment$/m.test(text)) ?? "";
  const { spec } = JSON.parse(
    await cluster.kubectlWith(deployment, "create", "--dry-run=client", "-o", "json", "-f", "-"),
  );
  const pod = (podSpec: PodSpec): string =>
    JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata: { name: "pod", namespace }, spec: podSpec });
  await cluster.kubectlWith(pod(spec.template.spec), ...DRY_RUN);
  for (const [field, change] of Object.entries(UNRESTRICTED)) {
    await refuses(cluster, pod(change(spec.template.spec)), new RegExp(`violates PodSecurity "restricted.*${field}`));
  }
  return Object.keys(UNRESTRICTED);
}

/** Throws unless the API server refuses the object for this reason. */
async function refuses(cluster: ControlPlane, object: string, reason: RegExp): Promise<void> {
  const { code, stdout, stderr } = await cluster.tryKubectlWith(object, ...DRY_RUN);
  if (code === 0 || !reason.test(stderr))
    throw new Error(`the API server must refuse this object by ${reason}: ${stdout}${stderr}\n${object}`);
}

function withoutPodField(spec: PodSpec, field: string): PodSpec {
  return { ...spec, securityContext: without(spec.securityContext, field) };
}

function withoutContainerField(spec: PodSpec, field: string): PodSpec {
  const [container] = spec.containers;
  return { ...spec, containers: [{ ...container, securityContext: without(container.securityContext, field) }] };
}

function without(fields: Readonly<Record<string, unknown>>, name: string): Record<string, unknown> {
  const { [name]: _, ...others } = fields;
  return others;
}

const input: Input = JSON.parse(process.argv[2] ?? "");
prepareSandbox();
const cluster = await ControlPlane.start(input.folder, input.programs, "127.0.0.1");
await writeFile(input.output, JSON.stringify(await validate(cluster, input.definitions)));
process.exit();
