/** Formats a call as text to paste, for command-line tools, Python and TypeScript. */
import { type DescField, type DescFile, type DescMethodUnary, type Message, toJsonString } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { type Address, shellLines, withPort } from "../../src/server/site/usage.ts";
import { formFields } from "./input.ts";

export interface Snippet {
  readonly name: "grpcurl" | "buf curl" | "curl" | "Python" | "TypeScript";
  readonly text: string;
}

/** Returns a snippet for each tool and language. Each snippet makes the call with `input` to `address`. */
export function createSnippets(method: DescMethodUnary, input: Message, address: Address): Snippet[] {
  const json = toJsonString(method.input, input, { alwaysEmitImplicit: true });
  const message = reflect(method.input, input);
  const [grpcurl = "", bufCurl = "", curl = ""] = shellLines(method, json, address);
  return [
    { name: "grpcurl", text: grpcurl },
    { name: "buf curl", text: bufCurl },
    { name: "curl", text: curl },
    { name: "Python", text: python(method, message, address) },
    { name: "TypeScript", text: typescript(method, message, address) },
  ];
}

/**
 * Returns the tutorial's Python client for this call. Its first line is the command that generates the imported
 * modules.
 */
function python({ name, input, parent }: DescMethodUnary, message: ReflectMessage, address: Address): string {
  const [messages, stubs] = [pythonModule(input.file, "_pb2"), pythonModule(parent.file, "_pb2_grpc")];
  const type = input.typeName.slice(input.file.proto.package === "" ? 0 : input.file.proto.package.length + 1);
  const fields = scalarsOf(message).map(([field, value]) =>
    PYTHON_KEYWORDS.test(field.name)
      ? `**{"${field.name}": ${pythonLiteral(value)}}`
      : `${field.name}=${pythonLiteral(value)}`,
  );
  const target = pythonLiteral(withPort(address));
  const channel =
    address.scheme === "http"
      ? `grpc.insecure_channel(${target})`
      : `grpc.secure_channel(${target}, grpc.ssl_channel_credentials())`;
  return `# python3 -m grpc_tools.protoc -Ipython_out=proto --python_out=. --grpc_python_out=. python_out/${parent.file.name}.proto
import grpc

import ${messages.path} as ${messages.name}
import ${stubs.path} as ${stubs.name}

with ${channel} as channel:
    stub = ${stubs.name}.${parent.name}Stub(channel)
    print(stub.${name}(${messages.name}.${type}(${fields.join(", ")})))`;
}

/**
 * Returns the Python module that protoc generates from the file. The modules of protobuf's own files come with the
 * protobuf package.
 */
function pythonModule({ name }: DescFile, suffix: string): { readonly path: string; readonly name: string } {
  const path = `${name.replaceAll("-", "_").replaceAll("/", ".")}${suffix}`;
  return {
    path: name.startsWith("google/protobuf/") ? path : `python_out.${path}`,
    name: path.slice(path.lastIndexOf(".") + 1),
  };
}

/** Matches Python's keywords, except False, None and True: fields have names in lower case (buf lint, FIELD_LOWER_SNAKE_CASE). */
const PYTHON_KEYWORDS =
  /^(and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield)$/;

function typescript({ localName, parent }: DescMethodUnary, message: ReflectMessage, address: Address): string {
  const fields = scalarsOf(message).map(([field, value]) => `${field.localName}: ${typescriptLiteral(value)}`);
  const baseUrl = typescriptLiteral(`${address.scheme}://${address.authority}`);
  const from = (module: string): string => `from ${JSON.stringify(module)};`;
  return `import { createClient } ${from("@connectrpc/connect")}
import { createConnectTransport } ${from("@connectrpc/connect-node")}
import { ${parent.name} } ${from(`./gen/${parent.file.name}_pb.ts`)}

const transport = createConnectTransport({ baseUrl: ${baseUrl}, httpVersion: "2" });
const client = createClient(${parent.name}, transport);
console.log(await client.${localName}({ ${fields.join(", ")} }));`;
}

/** Returns the fields of a form with their values. Leaves out a field with explicit presence that is not set. */
function scalarsOf(message: ReflectMessage): [DescField, unknown][] {
  return formFields(message.desc)
    .filter((field) => field.presence === FeatureSet_FieldPresence.IMPLICIT || message.isSet(field))
    .map((field) => [field, message.get(field)]);
}

function pythonLiteral(value: unknown): string {
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number" && !Number.isFinite(value)) return `float('${value}')`;
  if (value instanceof Uint8Array) return `bytes([${value}])`;
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

function typescriptLiteral(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof Uint8Array) return `Uint8Array.of(${value})`;
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
