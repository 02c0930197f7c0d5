/** The file of the newest whole run, of which the README and the page tell. */
import { readdirSync } from "node:fs";
import { join } from "node:path";

/** Named by the minute at which the run ended, and by nothing more: a part of a run has another word behind it. */
const WHOLE = /^\d{4}-\d\d-\d\dT\d{4}\.json$/;

/** The path of the newest results of a whole run in the folder; its chart stands beside it. Throws where there is none. */
export function newestResults(folder: string = join(import.meta.dirname, "results")): string {
  const name = readdirSync(folder)
    .filter((file) => WHOLE.test(file))
    .sort()
    .at(-1);
  if (name === undefined) throw new Error(`find the newest results of the benchmark: none of a whole run in ${folder}`);
  return join(folder, name);
}
