/** Finds the results of the newest whole run, which the README and the page show. */
import { readdirSync } from "node:fs";
import { join } from "node:path";

/**
 * Matches the results file of a whole run, which is named by the minute (UTC) of the run's end. Other results end in
 * "-partial.json".
 */
const WHOLE = /^\d{4}-\d\d-\d\dT\d{4}\.json$/;

/**
 * Returns the path of the newest results of a whole run. The chart has the same path with the extension svg. Throws if
 * the folder does not have such results.
 */
export function newestResults(folder: string = join(import.meta.dirname, "results")): string {
  const name = readdirSync(folder)
    .filter((file) => WHOLE.test(file))
    .sort()
    .at(-1);
  if (name === undefined)
    throw new Error(`find the newest results of the benchmark: ${folder} has no results of a whole run`);
  return join(folder, name);
}
