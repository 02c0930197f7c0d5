/**
 * Tests the memory cgroup that stands for a small container. It ends a process over the limit and no other, and Node
 * sees the limit.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "../support/command.ts";
import { memoryGroup } from "./support/memory-group.ts";

const LIMIT_BYTES = 128 * 2 ** 20;
const ALLOCATE = (mib: number) => `
  const held = Array.from({ length: ${mib} }, () => Buffer.alloc(2 ** 20, 1));
  setTimeout(() => console.log(process.constrainedMemory(), held.length), 100);
`;

for (const { mib, code, killed } of [
  { mib: 16, code: 0, killed: false },
  { mib: 256, code: null, killed: true },
]) {
  test(`a process that allocates ${mib} MiB of 128 is ${killed ? "" : "not "}killed`, async (t) => {
    const group = memoryGroup(t, LIMIT_BYTES);
    if (group === undefined) return;
    const sampling = new AbortController();
    const sampled = group.sample(sampling.signal);
    const result = await run(...group.command(process.execPath, "-e", ALLOCATE(mib)));
    sampling.abort();
    await sampled;
    const wasKilled = group.killed;
    await group.remove();
    assert.deepEqual([result.code, wasKilled], [code, killed]);
    assert.equal(result.stdout, killed ? "" : `${LIMIT_BYTES} ${mib}\n`);
    assert.ok(group.peak >= Math.min(mib, 64) * 2 ** 20 && group.peak <= LIMIT_BYTES, `a peak of ${group.peak} bytes`);
  });
}
