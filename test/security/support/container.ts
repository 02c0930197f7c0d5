/** Starts a victim in a memory cgroup, as in a small container, or with a small heap. */
import type { TestContext } from "node:test";
import { memoryGroup } from "./memory-group.ts";
import { Victim } from "./victim.ts";

export interface Container {
  readonly victim: Victim;
  /** True if the kernel killed the process of the server because it had no memory left. */
  readonly killed: () => boolean;
}

/** Starts a victim with this memory, and ends it with the test. Returns undefined if the test is skipped. */
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
