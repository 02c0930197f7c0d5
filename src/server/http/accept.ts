/** Reads the preferences in Accept and Accept-Encoding (RFC 9110, 12.5). */

/**
 * The quality, from 0 to 1, that the field's value gives to a name. Of the ranges that hold the name, exact ones first,
 * the first that the field has decides; 0 where it has none.
 */
export function quality(value: string, ranges: readonly string[]): number {
  const given = new Map(value.toLowerCase().split(",").map(readRange));
  const range = ranges.find((each) => given.has(each));
  return range === undefined ? 0 : (given.get(range) as number);
}

/** A range and its weight, which is 1 unless it says otherwise (12.4.2). */
function readRange(text: string): [range: string, weight: number] {
  const [range = "", ...parameters] = text.split(";").map((part) => part.trim());
  const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
  return [range, weight === undefined ? 1 : Number(weight) || 0];
}
