/** The files of deploy/kubernetes: their digest, and the kustomizations that tests apply. */
import { createHash } from "node:crypto";
import { globSync, readFileSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { ROOT } from "../../../support/command.ts";

export const MANIFESTS = join(ROOT, "deploy/kubernetes");
/** The result of the last validation, which is committed. */
export const VALIDATED = join(ROOT, "test/deploy/kubernetes-validated.json");
export const VALIDATE_COMMAND = "npm run deploy-test -- kubernetes --validate";
/** The result of the last test in a cluster, which is committed. */
export const TESTED = join(ROOT, "test/deploy/kubernetes-tested.json");
export const TEST_COMMAND = "npm run deploy-test -- kubernetes";

/** Each combination of the base with components that is validated, besides overlays/example. */
const COMBINATIONS: readonly (readonly string[])[] = [
  [],
  ["tls"],
  ["tls", "cert-manager"],
  ["gateway-api"],
  ["pod-monitor"],
  ["tls", "cert-manager", "gateway-api", "pod-monitor"],
];

/** Returns the SHA-256 digest over the paths and contents of all files in `folder`, as "sha256:" and hexadecimal digits. */
export function digestOf(folder: string): string {
  const hash = createHash("sha256");
  for (const path of filesIn(folder))
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(folder, path)))
      .update("\0");
  return `sha256:${hash.digest("hex")}`;
}

/** Returns the paths of all files in `folder`, relative to it and sorted. */
export function filesIn(folder: string): string[] {
  return globSync("**", { cwd: folder })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => statSync(join(folder, path)).isFile())
    .sort();
}

/** Folders with the kustomizations to validate. */
export class Kustomizations implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async create(): Promise<Kustomizations> {
    return new Kustomizations(await mkdtemp(join(tmpdir(), "kustomizations-")));
  }

  /** Returns all folders to validate, by names for people. */
  async all(): Promise<ReadonlyMap<string, string>> {
    const folders = new Map([["overlays/example", join(MANIFESTS, "overlays/example")]]);
    for (const components of COMBINATIONS) {
      folders.set(["base", ...components].join(" + "), await this.make({ components }));
    }
    return folders;
  }

  /** Makes a kustomization of the base with these components and further fields. Returns its folder. */
  async make({
    components = [],
    ...fields
  }: {
    components?: readonly string[];
    [field: string]: unknown;
  }): Promise<string> {
    const folder = await mkdtemp(join(this.#folder, "overlay-"));
    const to = (path: string): string => relative(folder, join(MANIFESTS, path));
    const kustomization = {
      resources: [to("base")],
      components: components.map((name) => to(`components/${name}`)),
      ...fields,
    };
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "kustomization.yaml"), JSON.stringify(kustomization));
    return folder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }
}
