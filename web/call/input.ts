/** Reads the input of a method: the texts in a form become a message. */
import {
  create,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue,
  type Message,
  ScalarType,
  toJson,
} from "@bufbuild/protobuf";
import { exampleOf } from "../../src/server/site/usage.ts";

/** A field that a form can have: of a scalar type, or an enum. */
export type FormField = DescField & { fieldKind: "scalar" | "enum" };
/**
 * The text of each field, by the field's name in JSON. A field with an empty text is not set. A Map is safe for every
 * name: objects have members like `constructor`.
 */
export type FormValues = ReadonlyMap<string, string>;
/** The problem of each invalid field, by the field's name in JSON. A problem of the whole message has the name "". */
export type Problems = ReadonlyMap<string, string>;

/** A message that every protocol can send, or the problems. */
export type InputResult = { readonly message: Message } | { readonly problems: Problems };

/**
 * Returns the fields for a form. Protobuf's own types do not get a form, since their JSON has special forms
 * (protobuf.dev, "ProtoJSON Format").
 */
export function formFields({ fields, typeName }: DescMessage): FormField[] {
  if (typeName.startsWith("google.protobuf.")) return [];
  return fields.filter((field): field is FormField => field.fieldKind === "scalar" || field.fieldKind === "enum");
}

/** Returns the initial values of a form. */
export function exampleValues(desc: DescMessage): FormValues {
  return new Map(Object.entries(exampleOf(desc)).map(([name, value]) => [name, String(value)]));
}

/**
 * Returns the values with the maximum in each integer field. A field of a oneof gets the maximum only if it is set.
 * Returns undefined if the form does not have such a field.
 */
export function maximumValues(desc: DescMessage, values: FormValues): FormValues | undefined {
  const maxima = new Map<string, string>();
  for (const { jsonName, scalar, oneof } of formFields(desc)) {
    const value = scalar === undefined ? undefined : MAXIMUM[scalar];
    if (value !== undefined && (oneof === undefined || values.get(jsonName))) maxima.set(jsonName, String(value));
  }
  return maxima.size === 0 ? undefined : new Map([...values, ...maxima]);
}

/** Converts the values to a message by the rules of ProtoJSON. Throws nothing. */
export function readInput(desc: DescMessage, values: FormValues): InputResult {
  const json = new Map<string, JsonValue>();
  const problems = new Map<string, string>();
  for (const field of formFields(desc)) {
    const typed = values.get(field.jsonName) ?? "";
    const text = field.scalar === ScalarType.STRING ? typed : typed.trim();
    if (text === "") continue;
    const value = field.scalar === ScalarType.BOOL ? text === "true" : text;
    try {
      fromJson(desc, { [field.jsonName]: value });
      json.set(field.jsonName, value);
    } catch (error) {
      problems.set(field.jsonName, (error as Error).message);
    }
  }
  if (problems.size > 0) return { problems };
  try {
    const message = json.size === 0 ? create(desc) : fromJson(desc, Object.fromEntries(json));
    toJson(desc, message); // throws if a required field is not set, as toBinary would
    return { message };
  } catch (error) {
    return { problems: new Map([["", (error as Error).message]]) };
  }
}

/** The maximum of each integer type. */
const MAXIMUM: Partial<Record<ScalarType, bigint>> = Object.fromEntries(
  [
    [2n ** 31n - 1n, ScalarType.INT32, ScalarType.SINT32, ScalarType.SFIXED32],
    [2n ** 32n - 1n, ScalarType.UINT32, ScalarType.FIXED32],
    [2n ** 63n - 1n, ScalarType.INT64, ScalarType.SINT64, ScalarType.SFIXED64],
    [2n ** 64n - 1n, ScalarType.UINT64, ScalarType.FIXED64],
  ].flatMap(([value, ...types]) => types.map((type) => [type, value])),
);
