/** Collects the memory of buffers, which is outside V8's heap, more often than V8 would do by itself. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * The young generation is collected each time that buffers of this size were allocated. V8 collects it only when it is full
 * of objects. A buffer is a small object and much memory, so V8 would first collect the whole heap, which costs 30 ms of CPU
 * time in place of 0.3 ms. With a smaller size, buffers in use would become old, and then only the whole heap frees them.
 */
const COLLECTED_BYTES = 25_165_824;

let allocatedBytes = 0;
let collect: ((options: { readonly type: "minor" }) => void) | undefined;

/** Returns a buffer, whose bytes are not initialized. */
export function allocateBuffer(bytes: number): Buffer {
  countBuffers(bytes);
  return Buffer.allocUnsafe(bytes);
}

/** Counts buffers that other code has allocated and that are garbage soon. */
export function countBuffers(bytes: number): void {
  allocatedBytes += bytes;
  if (allocatedBytes < COLLECTED_BYTES) return;
  allocatedBytes = 0;
  collect ??= exposedGc();
  collect({ type: "minor" });
}

/** Returns V8's function `gc`, or a function that does nothing. Only contexts that are created under the flag have `gc`. */
function exposedGc(): typeof collect & {} {
  if (globalThis.gc !== undefined) return globalThis.gc;
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("globalThis.gc");
  setFlagsFromString("--no-expose-gc");
  return gc ?? (() => {});
}
