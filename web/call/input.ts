/** The input of a method as texts that a person types, and the message that they say. */
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
/** By the fields' names in JSON, which may be those of an object's own members. An empty text is a field that is not set. */
export type Texts = ReadonlyMap<string, string>;
/** By field; under "" what is wrong with the whole. */
export type Problems = ReadonlyMap<string, string>;

/** The message, which every protocol can send, or why there is none. */
export type Reading = { readonly message: Message } | { readonly problems: Problems };

/** None of a type of protobuf's own: as JSON it is no object of its fields (protobuf.dev, "ProtoJSON Format"). */
export function formFields({ fields, typeName }: DescMessage): FormField[] {
  if (typeName.startsWith("google.protobuf.")) return [];
  return fields.filter((field): field is FormField => field.fieldKind === "scalar" || field.fieldKind === "enum");
}

/** What a form has at first. */
export function exampleTexts(desc: DescMessage): Texts {
  return new Map(Object.entries(exampleOf(desc)).map(([name, value]) => [name, String(value)]));
}

/** With the greatest number that it can hold in each field of whole numbers; of a oneof's only in the one that is set. Undefined where there is none. */
export function greatestTexts(desc: DescMessage, texts: Texts): Texts | undefined {
  const greatest = new Map<string, string>();
  for (const { jsonName, scalar, oneof } of formFields(desc)) {
    const value = scalar === undefined ? undefined : GREATEST[scalar];
    if (value !== undefined && (oneof === undefined || texts.get(jsonName))) greatest.set(jsonName, String(value));
  }
  return greatest.size === 0 ? undefined : new Map([...texts, ...greatest]);
}

/** Reads the texts by protobuf's rules of JSON, which the client itself holds every value to. It never throws. */
export function readInput(desc: DescMessage, texts: Texts): Reading {
  const values = new Map<string, JsonValue>();
  const problems = new Map<string, string>();
  for (const field of formFields(desc)) {
    const typed = texts.get(field.jsonName) ?? "";
    const text = field.scalar === ScalarType.STRING ? typed : typed.trim();
    if (text === "") continue;
    const value = field.scalar === ScalarType.BOOL ? text === "true" : text;
    try {
      fromJson(desc, { [field.jsonName]: value });
      values.set(field.jsonName, value);
    } catch (error) {
      problems.set(field.jsonName, (error as Error).message);
    }
  }
  if (problems.size > 0) return { problems };
  try {
    const message = values.size === 0 ? create(desc) : fromJson(desc, Object.fromEntries(values));
    toJson(desc, message); // it and toBinary throw where a required field is not set
    return { message };
  } catch (error) {
    return { problems: new Map([["", (error as Error).message]]) };
  }
}

const GREATEST: Partial<Record<ScalarType, bigint>> = Object.fromEntries(
  [
    [2n ** 31n - 1n, ScalarType.INT32, ScalarType.SINT32, ScalarType.SFIXED32],
    [2n ** 32n - 1n, ScalarType.UINT32, ScalarType.FIXED32],
    [2n ** 63n - 1n, ScalarType.INT64, ScalarType.SINT64, ScalarType.SFIXED64],
    [2n ** 64n - 1n, ScalarType.UINT64, ScalarType.FIXED64],
  ].flatMap(([value, ...types]) => types.map((type) => [type, value])),
);
