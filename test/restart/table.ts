/** Formats the result of the drill as a table, with a row for each client and its failures below. */
import type { Calls } from "./calls.ts";
import type { Client } from "./client.ts";
import type { Restart } from "./servers.ts";

const HEADINGS = ["client", "calls", "failed", "restarts seen", "slowest ms", "note"];

export function table(results: ReadonlyMap<Client, Calls>, restarts: readonly Restart[]): string {
  const rows = [...results].map(([client, calls]) => row(client, calls, restarts));
  const widths = HEADINGS.map((_, i) => Math.max(...[HEADINGS, ...rows].map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((text, i) =>
        i === 0 || i === HEADINGS.length - 1 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0),
      )
      .join("  ")
      .trimEnd();
  const failures = [...results.values()].map(({ failures }) =>
    [...failures].map(([reason, count]) => `\n    ${count} x ${reason}`).join(""),
  );
  const exitMs = Math.max(...restarts.map(({ signalledAt, exitedAt }) => exitedAt - signalledAt));
  const end = `${restarts.length} restarts; each server ended within ${exitMs} ms of its signal`;
  return [line(HEADINGS), ...rows.map((row, i) => `${line(row)}${failures[i]}`), end].join("\n");
}

function row({ name, absent, note, mustSpan }: Client, calls: Calls, restarts: readonly Restart[]): string[] {
  if (absent !== undefined) return [name, "-", "-", "-", "-", `skipped: ${absent}`];
  const spanned = mustSpan ? `under way at ${calls.spanned(restarts)} signals` : undefined;
  return [
    name,
    String(calls.count),
    String(calls.failed),
    String(calls.seen(restarts)),
    calls.slowestMs.toFixed(0),
    [spanned, note].filter((text) => text !== undefined).join("; "),
  ];
}
