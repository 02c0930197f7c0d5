/** Formats a call as text to paste, for command-line tools, Python and TypeScript. */
import {
  type DescMessage,
  type DescMethod,
  type JsonValue,
  type Message,
  type Registry,
  toJson,
} from "@bufbuild/protobuf";
import { type Address, type CallSettings, type ShellCommand, shellCommands } from "../../src/server/site/usage.ts";
import { pythonProgram } from "./programs/python.ts";
import { typescriptProgram } from "./programs/typescript.ts";

export interface Snippet {
  readonly name: ShellCommand["name"] | "Python" | "TypeScript";
  readonly text: string;
}

export interface SnippetOptions extends CallSettings {
  /** The types that a google.protobuf.Any can hold. */
  readonly registry?: Registry | undefined;
}

/**
 * Returns a snippet for each tool and language. Each snippet makes the call to `address`. `inputs` are the request's
 * messages: one except for client streams. Leaves out the command-line tools if a message does not have a form in JSON.
 */
export function createSnippets(
  method: DescMethod,
  inputs: readonly Message[],
  address: Address,
  options: SnippetOptions = {},
): Snippet[] {
  const call = { ...options, method, inputs, address };
  return [
    ...commands(method, inputs, address, options),
    { name: "Python", text: pythonProgram(call) },
    { name: "TypeScript", text: typescriptProgram(call) },
  ];
}

function commands(
  method: DescMethod,
  inputs: readonly Message[],
  address: Address,
  options: SnippetOptions,
): ShellCommand[] {
  const { registry } = options;
  let json: JsonValue[];
  try {
    json = inputs.map((input) => toJson(method.input, input, registry && { registry }));
  } catch {
    return []; // such as a Timestamp after the year 9999
  }
  const text = json.map((each) => JSON.stringify(each));
  const forGrpcurl = json.map((each) => JSON.stringify(withLongMasks(method.input, each)));
  return shellCommands(method, text, address, options, forGrpcurl);
}

/** Returns the JSON of a message with each FieldMask as an object: grpcurl does not read the text of ProtoJSON. */
function withLongMasks(desc: DescMessage, json: JsonValue): JsonValue {
  if (desc.typeName === "google.protobuf.FieldMask") {
    const paths = String(json).replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return { paths: paths.split(",").filter((path) => path !== "") };
  }
  if (desc.typeName.startsWith("google.protobuf.")) return json;
  const fields = new Map(desc.fields.map((field) => [field.jsonName, field]));
  return mapValues(json, (value, name) => {
    const field = fields.get(name);
    const type = field?.message;
    if (type === undefined) return value;
    if (field?.fieldKind === "map") return mapValues(value, (each) => withLongMasks(type, each));
    return Array.isArray(value) && field?.fieldKind === "list"
      ? value.map((each) => withLongMasks(type, each))
      : withLongMasks(type, value);
  });
}

function mapValues(json: JsonValue, map: (value: JsonValue, name: string) => JsonValue): JsonValue {
  return Object.fromEntries(Object.entries(json as object).map(([name, value]) => [name, map(value, name)]));
}
