/** Makes the line that `--version` prints. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Returns the name and version in package.json, and the version of Node that runs the program. */
export function versionLine(): string {
  const { name, version } = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8"));
  return `${name} ${version} (node ${process.versions.node})`;
}
