/** Writes a file into folders of the machine that a node uses. Runs in a sandbox, with or without what keeps such writes from the machine. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { keepWrites, prepareSandbox } from "./sandbox.ts";

/** The folders into which a node writes. */
export const WRITTEN = ["/var/log", "/var/lib"];

if (import.meta.main) {
  const { name, isKept }: { name: string; isKept: boolean } = JSON.parse(process.argv[2] ?? "");
  prepareSandbox();
  if (isKept) keepWrites();
  for (const folder of WRITTEN) writeFileSync(join(folder, name), "");
}
