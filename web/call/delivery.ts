/** How an answer came to the page, by what the browser timed. */

/**
 * Whole; out of the browser's cache, for which nothing crossed the wire; or as a copy in the cache which the server, when
 * asked again, said is still good. Of the last a script sees 200 and a body, where 304 and none crossed.
 */
export type Delivery = "whole" | "cached" | "validated";

/** Of a PerformanceResourceTiming: only some browsers have a deliveryType. */
export interface Timing {
  readonly deliveryType?: string;
  readonly transferSize: number;
  readonly decodedBodySize: number;
}

/** The transferSize of an answer without the bytes of its body, whatever its headers took (Resource Timing, 4.4). */
const HEADERS_SIZE = 300;

/** A body out of the cache counts as no transfer. */
export function deliveryOf({ deliveryType, transferSize, decodedBodySize }: Timing): Delivery {
  const isCopy = deliveryType === "cache" || (decodedBodySize > 0 && transferSize <= HEADERS_SIZE);
  if (!isCopy) return "whole";
  return transferSize === 0 ? "cached" : "validated";
}
