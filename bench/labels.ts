/** Labels and axis of the charts: the chart of a run and that of the page. */
import type { CellResult } from "./results.ts";

/** Servers that serve JSON from a plain HTTP route, without a Connect library. */
const PLAIN_ROUTES = ["fastify", "node:http"];

/** Returns the protocol that a cell measures, like "JSON over HTTP/1.1". */
export function protocolOf({ server, wire }: Pick<CellResult, "server" | "wire">): string {
  return PLAIN_ROUTES.includes(server) ? wire.replace("Connect json", "JSON") : wire;
}

/** Returns consecutive powers of ten: the first is at most `least`, and the final one is the first above `most`. */
export function powersOf10(least: number, most: number): number[] {
  const [from, to] = [Math.floor(Math.log10(least)), Math.floor(Math.log10(most)) + 1];
  return Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i));
}
