/** Attacks by their names, for those that are tried in more than one place. */
import type { Attack } from "./attack.ts";

/** Those of the names, in every HTTP version that they have. Throws where a name is none's. */
export function pick(attacks: readonly Attack[], names: readonly string[]): Attack[] {
  const picked = attacks.filter(({ name }) => names.includes(name));
  const missing = names.filter((name) => !picked.some((attack) => attack.name === name));
  if (missing.length > 0) throw new Error(`pick attacks: none is named ${missing.join(" or ")}`);
  return picked;
}
