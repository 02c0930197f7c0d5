/** A victim in a memory cgroup, as in a small container, or with a small heap. */
import type { TestContext } from "node:test";
import { memoryGroup } from "./memory-group.ts";
import { Victim } from "./victim.ts";

export interface Container {
  readonly victim: Victim;
  /** True if the kernel killed the server's process for want of memory. */
  readonly killed: () => boolean;
}

/** Starts a victim with so many bytes of memory; it ends with the test. Undefined if the test is skipped. */
export function startContainer(t: TestContext, bytes: number): Container | undefined {
  const group = memoryGroup(t, bytes);
  if (group === undefined) return undefined;
  const victim = new Victim(group.command(process.execPath, "--expose-gc"));
  t.after(async () => {
    await victim.end();
    await group.remove();
  });
  return { victim, killed: () => group.killed };
}
