/** Labels and axis of the figures: the chart of a run, that of the page, and the tables of the README. */
import { HEADS, type Load } from "./cells.ts";
import type { CellResult, Results } from "./results.ts";

/** Servers that serve JSON from a plain HTTP route, without a Connect library. */
const PLAIN_ROUTES = ["fastify", "node:http"];

/** Returns the protocol that a cell measures, like "JSON over HTTP/1.1". */
export function protocolOf({ server, wire }: Pick<CellResult, "server" | "wire">): string {
  return PLAIN_ROUTES.includes(server) ? wire.replace("Connect json", "JSON") : wire;
}

/** Returns the server with its version, like "grpc-go v1.85.0". This server's own variants have none. */
export function serverOf(server: string, versions: Results["versions"]): string {
  const version = versions[server];
  return version === undefined || server.startsWith("this server") ? server : `${server} ${version}`;
}

export function headsOf({ heads }: Pick<Load, "heads">): string {
  return HEADS[heads];
}

/**
 * Returns the heads of the calls that the figures are about: those that differ, as real callers send them. Results from
 * before such calls were measured have only equal heads.
 */
export function headlineHeads(cells: readonly CellResult[]): "trace" | "equal" {
  return cells.some(({ heads }) => heads === "trace") ? "trace" : "equal";
}

/** Finds the cell of Add without TLS, with the raw client. */
export function findAdd(
  cells: readonly CellResult[],
  server: string,
  wire: string,
  shape: string,
  heads: Load["heads"],
): CellResult | undefined {
  return cells.find(
    (cell) =>
      cell.method === "Add" &&
      cell.server === server &&
      cell.wire === wire &&
      cell.shape === shape &&
      cell.heads === heads,
  );
}

/** Returns consecutive powers of ten: the first is at most `least`, and the final one is the first above `most`. */
export function powersOf10(least: number, most: number): number[] {
  const [from, to] = [Math.floor(Math.log10(least)), Math.floor(Math.log10(most)) + 1];
  return Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i));
}
