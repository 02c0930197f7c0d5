/**
 * Runs the official conformance suite: connectconformance on PATH, with the contract in its Go module. The argument
 * "no-fast-path" turns the fast path off. "node" tests node:http2, and "adapter" nodeAdapter on Node's servers, both without
 * a receive limit: with one, node:http2 would never end a call with a larger message.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const VERSION = "v1.0.7";
const here = import.meta.dirname;
const folder = mkdtempSync(join(tmpdir(), "conformance-"));
try {
  const module = JSON.parse(output("go", "mod", "download", "-json", `connectrpc.com/conformance@${VERSION}`));
  const descriptors = join(folder, "conformance.binpb");
  output("buf", "build", join(module.Dir, "proto"), "--output", descriptors);
  const choices = process.argv.slice(2);
  const features = readFileSync(join(here, "conf.yaml"), "utf8");
  const conf = join(folder, "conf.yaml");
  writeFileSync(
    conf,
    /node|adapter/.test(choices.join()) ? features.replace("ReceiveLimit: true", "ReceiveLimit: false") : features,
  );
  const command = [process.execPath, join(here, "server.ts"), descriptors, ...choices];
  const args = ["--mode", "server", "--conf", conf, "-p", "8", "--", ...command];
  process.exitCode = spawnSync("connectconformance", args, { stdio: "inherit" }).status ?? 1;
} finally {
  rmSync(folder, { recursive: true });
}

/** Runs a program and returns its output. Throws if it fails. */
function output(program: string, ...args: string[]): string {
  const { status, stdout, error } = spawnSync(program, args, {
    cwd: folder,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0) throw new Error(`run ${program} ${args.join(" ")}: ${error?.message ?? `exit code ${status}`}`);
  return stdout;
}
