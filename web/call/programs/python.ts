/** Formats a call as a Python program for grpcio. */
import {
  type DescEnum,
  type DescField,
  type DescFile,
  type DescMessage,
  type JsonValue,
  ScalarType,
  toJson,
} from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { base64Decode } from "@bufbuild/protobuf/wire";
import type { Any } from "@bufbuild/protobuf/wkt";
import { withPort } from "../../../src/server/site/usage.ts";
import { group, indent, numberText, type ProgramCall, unpack } from "./program.ts";

/** The names of modules in the program, and the files that protoc must generate. */
interface Modules {
  /** Returns the name of the module with the file's messages. */
  messages(file: DescFile): string;
  /** Returns the name of the module with the stubs of the file's services. */
  stubs(file: DescFile): string;
  /** Returns the name of protobuf's module that converts JSON. */
  jsonFormat(): string;
  /** The statements that import the modules that were named so far. */
  readonly imports: readonly string[];
  /** The paths of the named files and of all files that they import, except protobuf's own. */
  readonly files: readonly string[];
}

/** Returns the program. Its first line is the command that generates the modules that it imports. */
export function pythonProgram(call: ProgramCall): string {
  const { method, inputs, address } = call;
  const modules = createModules();
  const stub = member(modules.stubs(method.parent.file), `${method.parent.name}Stub`);
  const messages = inputs.map((input) => messageText(reflect(method.input, input), modules, call));
  const isStream = method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming";
  const request = isStream ? list("iter([", messages, "])") : (messages[0] ?? "");
  const response = list(`stub.${method.name}(`, [request, ...settings(call)], ")");
  const isMany = method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming";
  const print = isMany ? `for response in ${response}:\n${INDENT}print(response)` : `print(${response})`;
  const target = text(withPort(address));
  const channel =
    address.scheme === "http"
      ? `grpc.insecure_channel(${target})`
      : `grpc.secure_channel(${target}, grpc.ssl_channel_credentials())`;
  const importlib = modules.imports.some((each) => each.includes("importlib")) ? "import importlib\n" : "";
  return `# mkdir -p python_out && python3 -m grpc_tools.protoc -Iproto --python_out=python_out --grpc_python_out=python_out ${modules.files.join(" ")}
${importlib}import sys

import grpc

sys.path.insert(0, "python_out")
${modules.imports.join("\n")}

with ${channel} as channel:
    stub = ${stub}(channel)
    ${indent(print, INDENT)}`;
}

const INDENT = "    ";

function list(open: string, items: readonly string[], close: string): string {
  return group(open, items, close, INDENT);
}

/** Returns the arguments for metadata and the deadline. */
function settings({ headers = [], timeoutMs }: ProgramCall): string[] {
  const pairs = headers.map(([name, value]) => {
    const key = name.toLowerCase(); // gRPC has metadata in lower case only
    return `(${text(key)}, ${key.endsWith("-bin") ? bytesText(fromBase64(value)) : text(value)})`;
  });
  return [
    ...(pairs.length === 0 ? [] : [list("metadata=[", pairs, "]")]),
    ...(timeoutMs === undefined ? [] : [`timeout=${timeoutMs / 1_000}`]),
  ];
}

/** Returns the bytes of a value in base64, or those of its text if it is not in base64. */
function fromBase64(value: string): Uint8Array {
  try {
    return base64Decode(value);
  } catch {
    return new TextEncoder().encode(value);
  }
}

function messageText(message: ReflectMessage, modules: Modules, call: ProgramCall): string {
  const { desc } = message;
  if (desc.typeName === "google.protobuf.Any") return anyText(message, modules, call);
  const json = jsonOf(message);
  if (json !== undefined) {
    return list(`${modules.jsonFormat()}.ParseDict(`, [jsonText(json), `${typeName(desc, modules)}()`], ")");
  }
  const fields = message.fields
    .filter((field) => message.isSet(field))
    .map((field) => {
      const value = fieldText(message, field, modules, call);
      return isName(field.name) ? `${field.name}=${value}` : `**{${text(field.name)}: ${value}}`;
    });
  return list(`${typeName(desc, modules)}(`, fields, ")");
}

function anyText(any: ReflectMessage, modules: Modules, call: ProgramCall): string {
  const { typeUrl, value } = any.message as Any;
  const inner = unpack(any.message as Any, call.registry);
  const bytes =
    inner === undefined
      ? bytesText(value)
      : `${messageText(reflect(inner.desc, inner.message), modules, call)}.SerializeToString()`;
  return list(`${typeName(any.desc, modules)}(`, [`type_url=${text(typeUrl)}`, `value=${bytes}`], ")");
}

/** Returns the JSON of a google.protobuf.Struct, Value or ListValue. Returns undefined for other messages. */
function jsonOf({ desc, message }: ReflectMessage): JsonValue | undefined {
  if (desc.file.name !== "google/protobuf/struct") return undefined;
  try {
    return toJson(desc, message);
  } catch {
    return undefined; // JSON has neither NaN nor a Value without its kind
  }
}

function jsonText(json: JsonValue): string {
  if (json === null) return "None";
  if (Array.isArray(json)) return list("[", json.map(jsonText), "]");
  if (typeof json !== "object") return scalarText(json, ScalarType.DOUBLE);
  const entries = Object.entries(json).map(([name, value]) => `${text(name)}: ${jsonText(value)}`);
  return list("{", entries, "}");
}

function fieldText(message: ReflectMessage, field: DescField, modules: Modules, call: ProgramCall): string {
  const one = (value: unknown): string => {
    if (field.message !== undefined) return messageText(value as ReflectMessage, modules, call);
    if (field.enum !== undefined) return enumText(field.enum, value as number, modules);
    return scalarText(value, field.scalar);
  };
  if (field.fieldKind === "list") return list("[", [...message.get(field)].map(one), "]");
  if (field.fieldKind !== "map") return one(message.get(field));
  const entries = [...message.get(field)].map(([key, value]) => `${scalarText(key, field.mapKey)}: ${one(value)}`);
  return list("{", entries, "}");
}

/** Returns the name of an enum's value. Values that the enum does not have are numbers. */
function enumText(desc: DescEnum, number: number, modules: Modules): string {
  const value = desc.value[number];
  if (value === undefined) return String(number);
  const scope = desc.parent === undefined ? modules.messages(desc.file) : typeName(desc.parent, modules);
  return member(scope, value.name);
}

/** Returns the class of the message. The class of a nested message is a member of the outer class. */
function typeName(desc: DescMessage, modules: Modules): string {
  return member(desc.parent === undefined ? modules.messages(desc.file) : typeName(desc.parent, modules), desc.name);
}

function scalarText(value: unknown, type: ScalarType | undefined): string {
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return text(value);
  if (value instanceof Uint8Array) return bytesText(value);
  if (typeof value !== "number") return String(value);
  const isFloat = type === ScalarType.DOUBLE || type === ScalarType.FLOAT;
  if (!Number.isFinite(value)) return `float("${String(value).toLowerCase()}")`;
  return isFloat && Number.isInteger(value)
    ? `${numberText(value)}${/e/.test(String(value)) ? "" : ".0"}`
    : String(value);
}

/** Returns the text as a literal. Each escape of JSON is one of Python, too. */
function text(value: string): string {
  return JSON.stringify(value);
}

function bytesText(bytes: Uint8Array): string {
  const characters = Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, "0")}`,
  );
  return `b"${characters.join("")}"`;
}

function member(object: string, name: string): string {
  return isName(name) ? `${object}.${name}` : `getattr(${object}, ${text(name)})`;
}

function isName(name: string): boolean {
  return /^[A-Za-z_]\w*$/.test(name) && !KEYWORDS.test(name);
}

const KEYWORDS =
  /^(False|None|True|and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield)$/;

function createModules(): Modules {
  const names = new Map<string, string>();
  const files = new Set<string>();
  function addFile(file: DescFile): void {
    const path = `${file.name}.proto`;
    if (path.startsWith("google/protobuf/") || files.has(path)) return;
    files.add(path);
    file.dependencies.forEach(addFile);
  }
  function nameOf(file: DescFile, suffix: string): string {
    addFile(file);
    const path = `${file.name.replaceAll("-", "_").replaceAll("/", ".")}${suffix}`;
    const short = path.slice(path.lastIndexOf(".") + 1);
    const isTaken = [...names].some(([other, name]) => name === short && other !== path);
    const name = names.get(path) ?? (isTaken || !isName(short) ? `_${path.replaceAll(/\W/g, "_")}` : short);
    names.set(path, name);
    return name;
  }
  return {
    messages: (file) => nameOf(file, "_pb2"),
    stubs: (file) => nameOf(file, "_pb2_grpc"),
    jsonFormat() {
      names.set("google.protobuf.json_format", "json_format");
      return "json_format";
    },
    get imports() {
      return Array.from(names, ([path, name]) => {
        if (!path.split(".").every(isName)) return `${name} = importlib.import_module(${text(path)})`;
        return path === name ? `import ${path}` : `import ${path} as ${name}`;
      }).sort();
    },
    get files() {
      return [...files];
    },
  };
}
