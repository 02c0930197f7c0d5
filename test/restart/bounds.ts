/** Checks the results of a drill: lost calls, good calls around each restart, and exit codes. */
import type { Calls } from "./calls.ts";
import type { Client } from "./client.ts";
import type { Restart } from "./servers.ts";

/** Returns a sentence for each bound that is broken. `closes` is the number of times that each connection was closed. */
export function brokenBounds(
  results: ReadonlyMap<Client, Calls>,
  restarts: readonly Restart[],
  last: Restart,
  closes: number,
): string[] {
  const exits = [...restarts, last].map(({ exit }) => exit).filter((exit) => exit !== 0);
  return [
    ...[...results].flatMap(([client, calls]) => brokenByClient(client, calls, restarts, closes)),
    ...(exits.length > 0
      ? [`servers exited with ${exits.map((exit) => exit ?? "nothing, in time").join(", ")}; must be 0`]
      : []),
  ];
}

function brokenByClient(
  { name, absent, mayLose, mustSpan }: Client,
  calls: Calls,
  restarts: readonly Restart[],
  closes: number,
): string[] {
  // The table names the clients whose tool is missing. In CI, a missing tool is an error.
  if (absent !== undefined) return process.env.CI === "true" ? [`${name}: ${absent}`] : [];
  const broken: string[] = [];
  const most = (mayLose?.calls ?? 0) * closes;
  if (calls.failed > most) broken.push(`${name}: ${calls.failed} calls failed; at most ${most} may`);
  for (const [reason, count] of calls.failures) {
    if (mayLose?.reason.test(reason) === false)
      broken.push(`${name}: ${count} calls failed for no reason of its own: ${reason}`);
  }
  if (calls.seen(restarts) < restarts.length) {
    broken.push(`${name}: had good calls after ${calls.seen(restarts)} of ${restarts.length} restarts`);
  }
  if (mustSpan && calls.spanned(restarts) < restarts.length) {
    broken.push(
      `${name}: had calls under way at ${calls.spanned(restarts)} of ${restarts.length} signals that then went well`,
    );
  }
  return broken;
}
