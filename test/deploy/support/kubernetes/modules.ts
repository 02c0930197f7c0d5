/** The programs and definitions that come from Go modules, and the versions of all that takes part in a test. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../../support/command.ts";
import { command } from "./sandbox.ts";

const BUILD = join(import.meta.dirname, "build.sh");

/** Modules with CustomResourceDefinitions, and the files of those that deploy/kubernetes uses. */
const DEFINITIONS = {
  "gateway-api": {
    module: "sigs.k8s.io/gateway-api@v1.6.3",
    files: ["grpcroutes", "httproutes"].map((name) => `config/crd/standard/gateway.networking.k8s.io_${name}.yaml`),
  },
  "cert-manager": {
    module: "github.com/cert-manager/cert-manager@v1.21.2",
    files: ["deploy/crds/cert-manager.io_certificates.yaml"],
  },
  "prometheus-operator": {
    module: "github.com/prometheus-operator/prometheus-operator@v0.85.0",
    files: ["example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml"],
  },
};

/** Builds programs of Kubernetes that are missing, and returns the folder of all. Throws if a build fails. */
export function build(...programs: readonly string[]): string {
  const folder = join(ROOT, ".tools/kubernetes", versionIn("KUBERNETES"));
  mkdirSync(folder, { recursive: true });
  const { status, error } = spawnSync(BUILD, [folder, ...programs], { stdio: "inherit" });
  if (status !== 0) throw error ?? new Error(`run ${BUILD}: exit ${status}`);
  return folder;
}

/** Downloads the modules with CustomResourceDefinitions, and returns the paths of the files. */
export function definitions(): string[] {
  return Object.values(DEFINITIONS).flatMap(({ module, files }) => {
    const { Dir } = JSON.parse(command("go", "mod", "download", "-json", module)) as { Dir: string };
    return files.map((file) => join(Dir, file));
  });
}

/** Returns the versions of Kubernetes, and of these programs: of Debian's, or of those that the script pins. */
export function versions(...programs: readonly string[]): Record<string, string> {
  return Object.fromEntries([
    ["kubernetes", versionIn("KUBERNETES")],
    ...programs.map((name) => [name, versionOf(name)]),
  ]);
}

/** Returns the versions of the modules with CustomResourceDefinitions. */
export function definitionVersions(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(DEFINITIONS).map(([name, { module }]) => [name, module.replace(/.*@v/, "")]),
  );
}

function versionOf(program: string): string | undefined {
  if (program === "coredns") return versionIn("COREDNS");
  return /\d+\.\d+\.\d+\S*/.exec(command(program, "--version"))?.[0];
}

/** Returns a version that the script pins. */
export function versionIn(variable: string): string {
  const [, version] = new RegExp(`^${variable}=(\\S+)`, "m").exec(readFileSync(BUILD, "utf8")) ?? [];
  if (version === undefined) throw new Error(`read ${BUILD}: it sets no ${variable}`);
  return version;
}
