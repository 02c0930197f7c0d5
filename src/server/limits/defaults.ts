/** Lowers the defaults of limits on a process with little memory. */
import { totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";
import type { Limit } from "./definition.ts";
import { DEFAULT_LIMITS, LIMIT_NAMES, LIMITS, type LimitName, type Limits } from "./limits.ts";

/**
 * Returns the bytes of memory that the process may use: the least of the container's (a cgroup, a resource limit), the
 * machine's and V8's heap (--max-old-space-size). Bodies and responses are outside of the heap, but the messages that
 * handlers decode from them are in it.
 */
export function usableMemory(): number {
  const container = process.constrainedMemory(); // 0 or more than the machine has, if nothing constrains the process
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

/** Returns the names of the limits that have a default lowered for a process with `memory` bytes. */
export function loweredLimits(limits: Limits, memory = usableMemory()): LimitName[] {
  const defaults = defaultLimits(memory);
  return LIMIT_NAMES.filter((name) => defaults[name] < DEFAULT_LIMITS[name] && limits[name] === defaults[name]);
}
