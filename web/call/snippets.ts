/** The same call as lines to paste, for the tools and languages that people have. */
import { type DescField, type DescMethodUnary, type Message, toJsonString } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { type Address, shellLines, withPort } from "../../src/server/usage.ts";
import { formFields } from "./input.ts";

export interface Snippet {
  readonly name: "grpcurl" | "buf curl" | "curl" | "Python" | "TypeScript";
  readonly text: string;
}

/** A snippet each that makes the call with this input, at the address. */
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

/** The tutorial's client, with this input and address. */
function python({ name, input, parent }: DescMethodUnary, message: ReflectMessage, address: Address): string {
  const module = parent.file.name.replaceAll("/", ".");
  const local = `${module.split(".").at(-1)}_pb2`;
  const fields = scalarsOf(message).map(([field, value]) => `${field.name}=${pythonLiteral(value)}`);
  const target = pythonLiteral(withPort(address));
  const channel =
    address.scheme === "http"
      ? `grpc.insecure_channel(${target})`
      : `grpc.secure_channel(${target}, grpc.ssl_channel_credentials())`;
  return `import grpc

import python_out.${module}_pb2 as ${local}
import python_out.${module}_pb2_grpc as ${local}_grpc

with ${channel} as channel:
    stub = ${local}_grpc.${parent.name}Stub(channel)
    print(stub.${name}(${local}.${input.name}(${fields.join(", ")})))`;
}

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

/** The fields that a form has; of those that can be unset, only what is set. */
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
