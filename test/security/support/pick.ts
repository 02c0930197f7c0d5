/** Selects attacks by their names, for those that run in more than one test file. */
import type { Attack } from "./attack.ts";

/** Returns the attacks of these names, in every HTTP version. Throws if a name is unknown. */
export function pick(attacks: readonly Attack[], names: readonly string[]): Attack[] {
  const picked = attacks.filter(({ name }) => names.includes(name));
  const missing = names.filter((name) => !picked.some((attack) => attack.name === name));
  if (missing.length > 0) throw new Error(`pick attacks: none is named ${missing.join(" or ")}`);
  return picked;
}
