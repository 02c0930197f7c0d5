/** Messages for the log about limits that both HTTP versions enforce. */
import type { Limits } from "../limits/limits.ts";

/** Returns the message about a request that exceeds requestMs. */
export function slowRequestMessage({ requestMs }: Limits): string {
  return `the request took over ${requestMs} ms`;
}

/** Returns the message about request bodies that exceed bufferedBytes. */
export function bufferedBytesMessage({ bufferedBytes }: Limits): string {
  return `bodies exceed ${bufferedBytes} bytes`;
}

/** Returns the message about calls that are in flight at the end of maxConnectionAgeGraceMs. */
export function oldConnectionMessage({ maxConnectionAgeGraceMs }: Limits): string {
  return `calls took over ${maxConnectionAgeGraceMs} ms after the maximum age of their connection`;
}

/** Returns the message about the rest of a request that exceeds a limit after its response. */
export function discardMessage(limit: "discardedBytes" | "requestMs", limits: Limits): string {
  return limit === "requestMs"
    ? `the rest of a request took over ${limits.requestMs} ms after its response`
    : `the rest of a request exceeds ${limits.discardedBytes} bytes after its response`;
}
