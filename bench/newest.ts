/** Finds the results of the newest whole run, which the README and the page show. */
import { readdirSync } from "node:fs";
import { join } from "node:path";

/** The name of a whole run is the minute at which it ended. Other runs have "-partial" after it. */
const WHOLE = /^\d{4}-\d\d-\d\dT\d{4}\.json$/;

/** Returns the path of the newest results of a whole run. The chart lies beside it. Throws if the folder has none. */
export function newestResults(folder: string = join(import.meta.dirname, "results")): string {
  const name = readdirSync(folder)
    .filter((file) => WHOLE.test(file))
    .sort()
    .at(-1);
  if (name === undefined)
    throw new Error(`find the newest results of the benchmark: ${folder} has no results of a whole run`);
  return join(folder, name);
}
