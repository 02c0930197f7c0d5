/** Adapts the defaults of limits to the memory that the process may use. */
import { totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";
import type { Limit } from "./definition.ts";
import { DEFAULT_LIMITS, LIMIT_NAMES, LIMITS, type LimitName, type Limits } from "./limits.ts";

/**
 * Returns the bytes of memory that the process may use. This is the smallest of three amounts: the container's limit (a
 * cgroup or resource limit), the machine's memory and V8's heap limit (--max-old-space-size). The heap limit counts because
 * decoded messages are in the heap. Only bodies are outside of it.
 */
export function usableMemory(): number {
  const container = process.constrainedMemory(); // without a limit, Node returns 0 or more than the machine's memory
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

/**
 * Returns the names of the limits with a default that is lowered for `memory` bytes. Leaves out each limit that has a value
 * other than this default in `limits`.
 */
export function loweredLimits(limits: Limits, memory = usableMemory()): LimitName[] {
  const defaults = defaultLimits(memory);
  return LIMIT_NAMES.filter((name) => defaults[name] < DEFAULT_LIMITS[name] && limits[name] === defaults[name]);
}
