/** The size of the heap of each worker. */
import { getHeapStatistics } from "node:v8";
import { containerMemory } from "../server/limits/defaults.ts";

/** Matches the flags of Node that set the size of V8's heap. */
const HEAP_FLAG = /--max[-_](?:old[-_]space|heap)[-_]size/;
/** Matches the flag that sets it as a part of the memory. It wins over the others, and its last value wins. */
const HEAP_PERCENTAGE = /--max[-_]old[-_]space[-_]size[-_]percentage[= ]([\d.]+)/g;

/**
 * Returns the flags for the heap of each worker. In a container, one process would get a certain heap from Node, and each worker
 * gets its part of that heap. A heap that the user has set as a percentage is divided, too. Returns no flags if the user has set
 * its size.
 */
export function heapFlags(workers: number): string[] {
  const given = [process.env.NODE_OPTIONS, ...process.execArgv].join(" ");
  const percentage = given.matchAll(HEAP_PERCENTAGE).toArray().at(-1)?.[1];
  if (percentage !== undefined) return [`--max-old-space-size-percentage=${Number(percentage) / workers}`];
  if (HEAP_FLAG.test(given) || containerMemory() === undefined) return [];
  return [`--max-old-space-size=${Math.ceil(getHeapStatistics().heap_size_limit / workers / 2 ** 20)}`];
}
