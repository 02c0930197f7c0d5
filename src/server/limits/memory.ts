/** The memory that this process may use, and the defaults of limits that follow it. */
import { totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";
import { DEFAULT_LIMITS, LIMIT_NAMES, LIMITS, type Limit, type LimitName, type Limits } from "./limits.ts";

/**
 * Returns the bytes of memory that the process may use: those of its container (a cgroup, a resource limit), of the machine,
 * or of V8's heap (--max-old-space-size), whichever are least. Bodies and responses are buffers outside of the heap, but
 * while they wait, what handlers made of them is in it.
 */
export function usableMemory(): number {
  const container = process.constrainedMemory(); // 0, or more than there is, if nothing constrains it
  const heap = getHeapStatistics().heap_size_limit;
  return Math.min(container > 0 ? container : Number.POSITIVE_INFINITY, totalmem(), heap);
}

/** Returns the default of every limit for a process that may use `memory` bytes. */
export function defaultLimits(memory = usableMemory()): Limits {
  const limits: Record<string, number> = { ...DEFAULT_LIMITS };
  for (const name of LIMIT_NAMES) {
    const { default: value, memoryShare = Number.POSITIVE_INFINITY }: Limit = LIMITS[name];
    limits[name] = Math.min(value, Math.floor(memory * memoryShare));
  }
  return Object.freeze(limits as unknown as Limits);
}

/** Returns the limits that are at a default that was lowered for a process with `memory` bytes. */
export function loweredLimits(limits: Limits, memory = usableMemory()): LimitName[] {
  const defaults = defaultLimits(memory);
  return LIMIT_NAMES.filter((name) => defaults[name] < DEFAULT_LIMITS[name] && limits[name] === defaults[name]);
}
