/** The draft of a message: a text in JSON, which a form and an editor change. */
import type { DescField, DescMessage, ScalarType } from "@bufbuild/protobuf";
import { type Example, exampleOf } from "../../src/server/site/usage.ts";
import { findMember, initialMessage, initialValue, setField } from "./edits.ts";
import { formatJson, type Json, JsonError, parseJson } from "./json.ts";
import { isNumeric, largestOf, numberOfText } from "./scalars.ts";

export interface Draft {
  /** The content of the editor. */
  readonly text: string;
  /** The value of the newest text that was valid JSON. */
  readonly json: Json;
  /** The problem if `text` is not JSON. Undefined if `json` is its value. */
  readonly error: JsonError | undefined;
}

/** Returns the draft after an edit in the form. */
export function draftOfJson(json: Json): Draft {
  return { text: formatJson(json), json, error: undefined };
}

/** Returns the draft after an edit in the editor. If the text is not JSON, keeps the value of `previous`. */
export function draftOfText(text: string, previous?: Draft): Draft {
  try {
    return { text, json: parseJson(text), error: undefined };
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return { text, json: previous?.json ?? null, error };
  }
}

/** Returns the draft that a method starts with: the example of the server's commands, and required fields. */
export function exampleDraft(desc: DescMessage): Draft {
  return draftOfJson(exampleJson(desc, MAX_REQUIRED));
}

/** Limits the levels of required messages in an example: a message can require itself, which cannot be sent. */
const MAX_REQUIRED = 8;

function exampleJson(desc: DescMessage, levels: number, example: Example = exampleOf(desc)): Json {
  if (desc.typeName.startsWith("google.protobuf.")) return initialMessage(desc);
  const values = new Map(Object.entries(example));
  let json: Json = initialMessage(desc);
  for (const field of desc.fields) {
    const value = values.get(field.jsonName);
    if (value !== undefined) json = setField(json, desc, field, exampleValue(field, value, levels));
    else if (isRequired(field)) json = setField(json, desc, field, requiredValue(field, levels));
  }
  return json;
}

function exampleValue({ scalar, message }: DescField, value: Example[string], levels: number): Json {
  if (message !== undefined) return exampleJson(message, levels - 1, value as Example);
  return scalar !== undefined && isNumeric(scalar) ? numberOfText(scalar, String(value)) : (value as string | boolean);
}

function requiredValue(field: DescField, levels: number): Json {
  if (field.fieldKind !== "message" || levels === 0) return initialValue(field);
  return exampleJson(field.message, levels - 1);
}

/** True for fields that must be set, as proto2 and editions can ask. */
export function isRequired({ presence }: DescField): boolean {
  return presence === LEGACY_REQUIRED;
}

/** True for fields that are set if they are not zero or empty: lists, maps, and scalars in proto3 without `optional`. */
export function isImplicit({ presence }: DescField): boolean {
  return presence === IMPLICIT;
}

/** The values of google.protobuf.FeatureSet.FieldPresence. */
const [IMPLICIT, LEGACY_REQUIRED] = [2, 3];

/**
 * Returns the draft with the maximum in each integer field. A field of a oneof gets the maximum only if it is set.
 * Returns undefined if the message does not have such a field.
 */
export function maximumDraft(desc: DescMessage, { json }: Draft): Draft | undefined {
  if (desc.typeName.startsWith("google.protobuf.")) return undefined;
  let changed: Json | undefined;
  for (const field of desc.fields) {
    const maximum = field.fieldKind === "scalar" ? largestOf(field.scalar) : undefined;
    if (maximum === undefined || (field.oneof !== undefined && findMember(json, field) === undefined)) continue;
    changed = setField(changed ?? json, desc, field, numberOfText(field.scalar as ScalarType, String(maximum)));
  }
  return changed === undefined ? undefined : draftOfJson(changed);
}
