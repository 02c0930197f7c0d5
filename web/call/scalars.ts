/** Scalar values in JSON, by the rules of ProtoJSON (protobuf.dev, "ProtoJSON Format"). */
import { type DescEnum, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { formatJson, type Json, JsonNumber } from "./json.ts";

/** The range of each integer type. */
const RANGES: Partial<Record<ScalarType, readonly [bigint, bigint]>> = Object.fromEntries(
  [
    [-(2n ** 31n), 2n ** 31n - 1n, ScalarType.INT32, ScalarType.SINT32, ScalarType.SFIXED32],
    [0n, 2n ** 32n - 1n, ScalarType.UINT32, ScalarType.FIXED32],
    [-(2n ** 63n), 2n ** 63n - 1n, ScalarType.INT64, ScalarType.SINT64, ScalarType.SFIXED64],
    [0n, 2n ** 64n - 1n, ScalarType.UINT64, ScalarType.FIXED64],
  ].flatMap(([least, largest, ...types]) => types.map((type) => [type, [least, largest]])),
);

/** Returns the largest value of an integer type. Returns undefined for other types. */
export function largestOf(scalar: ScalarType): bigint | undefined {
  return RANGES[scalar]?.[1];
}

export function isNumeric(scalar: ScalarType): boolean {
  return scalar !== ScalarType.BOOL && scalar !== ScalarType.STRING && scalar !== ScalarType.BYTES;
}

/** Returns the name of the type in contracts, like "int32". */
export function scalarName(scalar: ScalarType): string {
  return ScalarType[scalar].toLowerCase();
}

/**
 * Returns the JSON of a text that was typed for a number. A string keeps every other text, so that it survives, and
 * 64-bit integers, as ProtoJSON writes them.
 */
export function numberOfText(scalar: ScalarType, text: string): Json {
  const isExact = Number.isFinite(Number(text)) && String(Number(text)) === text;
  return isExact && (largestOf(scalar) ?? 0n) < 2n ** 32n ? new JsonNumber(text) : text;
}

/** Returns the value as `fromJson` takes it. Throws Error if the type cannot have the value. */
export function readScalar(scalar: ScalarType, json: Json): JsonValue {
  if (isNumeric(scalar)) return readNumber(scalar, json);
  if (scalar === ScalarType.BOOL) {
    if (typeof json === "boolean") return json;
    throw new Error(`expected true or false, found ${shown(json)}`);
  }
  if (typeof json !== "string") throw new Error(`expected a string, found ${shown(json)}`);
  if (scalar === ScalarType.BYTES) base64Decode(json);
  else if (!json.isWellFormed()) throw new Error("the string has half of a character (a lone surrogate)");
  return json;
}

/** Returns the key of a map in its shortest form. Throws Error if the type cannot have the key. */
export function readKey(scalar: ScalarType, key: string): string {
  if (scalar !== ScalarType.BOOL) return String(readScalar(scalar, key));
  if (key !== "true" && key !== "false") throw new Error(`expected true or false, found ${shown(key)}`);
  return key;
}

/** Returns the number or name of the enum's value. Throws Error if the enum cannot have the value. */
export function readEnum({ values, open, typeName }: DescEnum, json: Json): JsonValue {
  if (json === null && typeName === "google.protobuf.NullValue") return null;
  if (typeof json === "string") {
    if (values.some(({ name, jsonName }) => name === json || jsonName === json)) return json;
    throw new Error(`${typeName} does not have a value ${shown(json)}`);
  }
  if (!(json instanceof JsonNumber)) throw new Error(`expected a name or number of ${typeName}, found ${shown(json)}`);
  const number = Number(readNumber(ScalarType.INT32, json));
  if (open || values.some((value) => value.number === number)) return number;
  throw new Error(`${typeName} is closed and does not have the number ${number}`);
}

/** Throws Error for a time that `fromJson` would change silently, such as 30 February. */
export function checkTime(typeName: string, json: JsonValue): void {
  if (typeof json !== "string") return;
  if (typeName === "google.protobuf.Duration" && !/^-?\d+(?:\.\d{1,9})?s$/.test(json)) {
    throw new Error(`expected seconds, like "1.5s", found ${shown(json)}`);
  }
  const [date, day] = /^\d{4}-\d{2}-(\d{2})(?=T)/.exec(json) ?? [];
  if (typeName !== "google.protobuf.Timestamp" || date === undefined) return;
  if (new Date(`${date}T00:00:00Z`).getUTCDate() !== Number(day)) throw new Error(`the date ${date} does not exist`);
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,6}))?$/;

function readNumber(scalar: ScalarType, json: Json): JsonValue {
  const source = json instanceof JsonNumber ? json.source : json;
  const range = RANGES[scalar];
  const isName = range === undefined && (json === "NaN" || json === "Infinity" || json === "-Infinity");
  if (isName) return json;
  if (typeof source !== "string" || !NUMBER.test(source)) {
    throw new Error(`expected a number (${scalarName(scalar)}), found ${shown(json)}`);
  }
  if (range === undefined) {
    const number = Number(source);
    const limited = scalar === ScalarType.FLOAT ? Math.fround(number) : number;
    if (!Number.isFinite(limited)) throw new Error(`${cut(source)} is outside ${scalarName(scalar)}`);
    return number;
  }
  const whole = wholeNumber(source);
  if (whole === undefined) throw new Error(`expected a whole number (${scalarName(scalar)}), found ${cut(source)}`);
  const [least, largest] = range;
  if (whole < least || whole > largest) {
    throw new Error(`${cut(source)} is outside ${scalarName(scalar)}, ${least} to ${largest}`);
  }
  return String(whole);
}

/** Returns the exact value of a text like "1e3" or "2.50e1". Returns undefined if the value is not whole. */
function wholeNumber(source: string): bigint | undefined {
  const [, sign, integer = "", fraction = "", exponent = "0"] = NUMBER.exec(source) ?? [];
  const all = integer + fraction;
  let length = all.length;
  while (all[length - 1] === "0") length--; // /0+$/ would take time in the square of the zeros
  const digits = all.slice(0, length);
  const zeros = integer.length + Number(exponent) - digits.length;
  if (digits === "" || /^0*$/.test(digits)) return 0n;
  if (zeros < 0) return undefined;
  const whole = BigInt(digits) * 10n ** BigInt(Math.min(zeros, MAX_ZEROS));
  return sign === "-" ? -whole : whole;
}

/** Limits the zeros of a number that is calculated. 64-bit integers have at most 20 digits. */
const MAX_ZEROS = 30;
/** Limits the characters of a value in a problem. */
const MAX_SHOWN = 60;

/** Returns a short text of the value, for a problem. */
export function shown(json: Json): string {
  if (json !== null && typeof json === "object" && !(json instanceof JsonNumber)) {
    return Array.isArray(json) ? "a list" : "an object";
  }
  return cut(formatJson(json));
}

function cut(text: string): string {
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
