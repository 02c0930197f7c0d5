/** Determines, from the browser's timing, if a response came over the network or from the browser's cache. */

/**
 * The source of a response: the network, the browser's cache, or the cache after a 304 from the server. A script does
 * not see the 304: it gets a 200 with the body from the cache.
 */
export type Delivery = "network" | "cache" | "revalidated";

/** The fields of a PerformanceResourceTiming that `deliveryOf` reads. Only some browsers have a `deliveryType`. */
export interface Timing {
  readonly deliveryType?: string;
  readonly transferSize: number;
  readonly decodedBodySize: number;
}

/** The constant that `transferSize` counts for headers, in place of their real size (Resource Timing, 4.4). */
const HEADERS_BYTES = 300;

/** Returns the source of a response. `transferSize` does not count a body from the cache. */
export function deliveryOf({ deliveryType, transferSize, decodedBodySize }: Timing): Delivery {
  const isCopy = deliveryType === "cache" || (decodedBodySize > 0 && transferSize <= HEADERS_BYTES);
  if (!isCopy) return "network";
  return transferSize === 0 ? "cache" : "revalidated";
}
