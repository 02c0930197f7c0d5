/** Adapts the defaults of limits to the memory that the process may use. */
import { totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";
import type { Limit } from "./definition.ts";
import { DEFAULT_LIMITS, LIMIT_NAMES, LIMITS, type LimitName, type Limits } from "./limits.ts";

/**
 * Returns the bytes of memory that this process may use, which is one of `processes` equal ones. This is its part of the
 * container's limit (a cgroup or resource limit) or else of the machine's memory, but at most V8's heap limit
 * (--max-old-space-size). The heap limit counts because decoded messages are in the heap. Only bodies are outside of it.
 */
export function usableMemory(processes = 1): number {
  const heap = getHeapStatistics().heap_size_limit;
  return Math.min((containerMemory() ?? totalmem()) / processes, heap);
}

/** Returns the container's limit on memory, in bytes. Returns undefined if the process may use the whole machine. */
export function containerMemory(): number | undefined {
  const container = process.constrainedMemory(); // without a limit, Node returns 0 or more than the machine's memory
  return container > 0 && container < totalmem() ? container : undefined;
}

/** The smallest part of a limit on memory that a process gets by default: a message takes up to three times its size. */
const MIN_PART_BYTES = 2 ** 24;

/** Returns the default of every limit for one of `processes` equal processes. Each of them may use `memory` bytes. */
export function defaultLimits(processes = 1, memory = usableMemory(processes)): Limits {
  const limits: Record<string, number> = { ...DEFAULT_LIMITS };
  for (const name of LIMIT_NAMES) {
    const { default: value, memoryShare = Number.POSITIVE_INFINITY, unit }: Limit = LIMITS[name];
    const part = limitOfProcess(name, value, processes);
    const enough = unit === "bytes" ? Math.max(part, Math.min(value, MIN_PART_BYTES)) : part;
    limits[name] = Math.min(enough, Math.floor(memory * memoryShare));
  }
  return Object.freeze(limits as unknown as Limits);
}

/** Returns the value of a limit for each of `processes` processes, if `value` is that of all of them together. */
export function limitOfProcess(name: LimitName, value: number, processes: number): number {
  const { isTotal = false }: Limit = LIMITS[name];
  return isTotal ? Math.ceil(value / processes) : value;
}

/**
 * Returns the names of the limits with a default that is lowered for `memory` bytes. Leaves out each limit that has a value
 * other than this default in `limits`.
 */
export function loweredLimits(limits: Limits, processes = 1, memory = usableMemory(processes)): LimitName[] {
  const defaults = defaultLimits(processes, memory);
  const full = defaultLimits(processes, Number.POSITIVE_INFINITY);
  return LIMIT_NAMES.filter((name) => defaults[name] < full[name] && limits[name] === defaults[name]);
}
