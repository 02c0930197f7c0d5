/** Shell commands that call a server with grpcurl, buf curl and curl, made from its descriptors. */
import { type DescMessage, type DescMethod, type DescService, ScalarType } from "@bufbuild/protobuf";

/** The address of a server, and the files that a client needs to call it. */
export interface Address {
  readonly scheme: "http" | "https";
  /** Host and port. Without a port, the default port of the scheme is used. */
  readonly authority: string;
  /**
   * A file with the certificate authority for the server's certificate. If undefined, the client uses its own
   * authorities.
   */
  readonly ca?: string | undefined;
  /**
   * A name for which the server's certificate is valid. Set only if the certificate does not contain the host of
   * `authority`.
   */
  readonly serverName?: string | undefined;
  /** True if reflection is off. grpcurl and buf curl then need the schema; "DIR" stands for the schema's folder. */
  readonly needsSchema?: boolean;
  /** True if the client needs a certificate (mutual TLS). */
  readonly mutual?: boolean;
  /** The beginning of the paths of the services, such as "/api". Only curl can then call them. */
  readonly pathPrefix?: string | undefined;
}

/** The request metadata and the deadline of a call. */
export interface CallSettings {
  /** Names with their values. The value of a name that ends in "-bin" is in base64. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly timeoutMs?: number | undefined;
}

export interface ShellCommand {
  readonly name: "grpcurl" | "buf curl" | "curl";
  readonly text: string;
}

/**
 * Returns one command for each tool, to call a method of `services`: the first unary method, or the first method if
 * none is unary. Calls health and reflection only on a server without other methods. Returns [] if the services do not
 * have methods.
 */
export function usageLines(services: readonly DescService[], address: Address): string[] {
  const methods = services.flatMap((service) => service.methods);
  const own = methods.filter(({ parent }) => !/^grpc\.(health|reflection)\./.test(parent.typeName));
  const method = own.find(({ methodKind }) => methodKind === "unary") ?? own[0] ?? methods[0];
  if (method === undefined) return [];
  const example = JSON.stringify(exampleJson(method.input));
  const commands = shellCommands(method, [example], address);
  return commands.filter(({ name }) => name === "curl" || !address.pathPrefix).map(({ text }) => text);
}

/**
 * Returns one command for each tool, to call `method` at `address`. `messages` are the request's messages in JSON, one
 * except for client streams. `forGrpcurl` are the same messages, if grpcurl needs another form.
 */
export function shellCommands(
  method: DescMethod,
  messages: readonly string[],
  address: Address,
  settings: CallSettings = {},
  forGrpcurl: readonly string[] = messages,
): ShellCommand[] {
  return [
    { name: "grpcurl", text: grpcurl(method, forGrpcurl, address, settings) },
    { name: "buf curl", text: bufCurl(method, messages, address, settings) },
    { name: "curl", text: curl(method, messages, address, settings) },
  ];
}

function grpcurl(
  method: DescMethod,
  messages: readonly string[],
  address: Address,
  { headers = [], timeoutMs }: CallSettings,
): string {
  const { scheme, serverName, needsSchema } = address;
  const words = scheme === "http" ? ["-plaintext"] : tlsFlags(address).map((word) => word.replace(/^--/, "-"));
  if (needsSchema) words.push("-import-path", "DIR", "-proto", `${method.parent.file.name}.proto`);
  if (serverName !== undefined) words.push("-authority", serverName);
  for (const [name, value] of headers) words.push("-H", `${name}: ${value}`);
  if (timeoutMs !== undefined) words.push("-max-time", String(timeoutMs / 1_000));
  const [data, end] = dataOrStdin(messages.join(" "), "@");
  return line("grpcurl", ...words, "-d", data, withPort(address), procedureOf(method)) + end;
}

function bufCurl(
  method: DescMethod,
  messages: readonly string[],
  address: Address,
  { headers = [], timeoutMs }: CallSettings,
): string {
  const { scheme, authority, serverName, needsSchema } = address;
  const words = scheme === "http" ? ["--http2-prior-knowledge"] : tlsFlags(address);
  if (needsSchema) words.push("--schema", "DIR");
  if (serverName !== undefined) words.push("--servername", serverName);
  for (const [name, value] of headers) words.push("-H", commaSeparated(`${name}: ${value}`));
  if (timeoutMs !== undefined) words.push("--timeout", `${timeoutMs}ms`);
  const [data, end] = dataOrStdin(messages.join(" "), "@-");
  return line("npx", "buf", "curl", ...words, "-d", data, `${scheme}://${authority}/${procedureOf(method)}`) + end;
}

function curl(
  method: DescMethod,
  messages: readonly string[],
  address: Address,
  { headers = [], timeoutMs }: CallSettings,
): string {
  const { scheme, authority, serverName, pathPrefix = "" } = address;
  const isUnary = method.methodKind === "unary";
  const words = tlsFlags(address);
  const target = withPort(address);
  if (serverName !== undefined) words.push("--connect-to", `::${target}`);
  // Over TLS, curl offers HTTP/2 by itself.
  if (method.methodKind === "bidi_streaming" && scheme === "http") words.push("--http2-prior-knowledge");
  words.push("-H", `Content-Type: application/${isUnary ? "" : "connect+"}json`);
  for (const [name, value] of headers) words.push("-H", value === "" ? `${name};` : `${name}: ${value}`);
  if (timeoutMs !== undefined) words.push("-H", `Connect-Timeout-Ms: ${timeoutMs}`);
  const host = serverName === undefined ? authority : serverName + target.slice(target.lastIndexOf(":"));
  const url = `${scheme}://${host}${pathPrefix}/${procedureOf(method)}`;
  if (!isUnary) {
    const envelopes = messages.flatMap((message) => [envelopePrefix(message), message]);
    const print = line("printf", ...(envelopes.length === 0 ? [""] : ["%b%s", ...envelopes]));
    // The last command replaces the binary prefixes of the response, which a terminal cannot show, by new lines.
    return `${print} | ${line("curl", "-sSN", ...words, "--data-binary", "@-", url)} | tr -s '\\0-\\037' '\\n'`;
  }
  const [data, end] = dataOrStdin(messages.join(""), "@-");
  return line("curl", ...words, "-d", data, url) + end;
}

function tlsFlags({ scheme, ca, mutual = false }: Address): string[] {
  if (scheme === "http") return [];
  return [...(ca === undefined ? [] : ["--cacert", ca]), ...(mutual ? CLIENT_CERTIFICATE : [])];
}

function procedureOf(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

/** Returns the authority with a port. gRPC clients take a host and a port, so a default port must be added. */
export function withPort({ scheme, authority }: Address): string {
  if (/:\d+$/.test(authority)) return authority;
  return `${authority.replace(/:$/, "")}:${scheme === "http" ? 80 : 443}`;
}

const CLIENT_CERTIFICATE = ["--cert", "FILE", "--key", "FILE"];

/** Linux limits each argument of a program to 128 KiB. */
const MAX_ARGUMENT_BYTES = 120_000;

/**
 * Returns the argument for the data, and the end of the command. Data that is too large for an argument becomes a here
 * document, which the tool reads from stdin.
 */
function dataOrStdin(data: string, stdin: string): [argument: string, end: string] {
  if (new TextEncoder().encode(data).length <= MAX_ARGUMENT_BYTES) return [data, ""];
  return [stdin, ` <<'END'\n${data}\nEND`];
}

/** Returns the prefix of a message in a stream of Connect, escaped for %b of printf: flags and the length in bytes. */
function envelopePrefix(message: string): string {
  const { length } = new TextEncoder().encode(message);
  const bytes = [0, length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255];
  return bytes.map((byte) => `\\0${byte === 0 ? "" : byte.toString(8)}`).join("");
}

/** Returns the value for a flag of buf, which reads each value as a line of comma-separated values (RFC 4180). */
function commaSeparated(value: string): string {
  return /[",]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** Returns the words as a command, each quoted for a shell if necessary. */
function line(...words: readonly string[]): string {
  return words.map((word) => (/^[\w./:@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
}

/** A message in JSON, without fields of Protobuf's own types. */
export type Example = { [name: string]: string | number | boolean | Example };

/** Limits the messages inside each other in an example. */
const MAX_EXAMPLE_LEVELS = 3;

/** Returns an example message in JSON. Protobuf's own types have special forms (protobuf.dev, "ProtoJSON Format"). */
function exampleJson(desc: DescMessage): unknown {
  if (!desc.typeName.startsWith("google.protobuf.")) return exampleOf(desc);
  const name = desc.typeName.slice("google.protobuf.".length);
  return SPECIAL_JSON[name] ?? exampleOf(desc).value ?? {};
}

/** The examples of the types that are neither objects in JSON, nor wrappers of another scalar than bytes. */
const SPECIAL_JSON: Readonly<Record<string, unknown>> = {
  Any: {},
  BytesValue: "",
  Duration: "1s",
  FieldMask: "",
  ListValue: [],
  Timestamp: "1970-01-01T00:00:00Z",
};

/**
 * Returns an example message for JSON. Numbers are 1, 2, and so on. Each string is the name of its field, and each
 * boolean is true. Messages inside are examples too, unless they are inside a message of their own type (`outer`).
 * Leaves out lists, maps, enums, bytes and fields of Protobuf's own types.
 */
export function exampleOf(desc: DescMessage, outer: readonly DescMessage[] = []): Example {
  const example: Example = {};
  const messages = [...outer, desc];
  let number = 1;
  for (const field of desc.fields) {
    if (field.oneof !== undefined && field.oneof.fields[0] !== field) continue; // at most one field of a oneof may be set
    if (field.fieldKind === "message") {
      const inner = innerExample(field.message, messages);
      if (Object.keys(inner).length > 0) example[field.jsonName] = inner;
    }
    if (field.fieldKind !== "scalar" || field.scalar === ScalarType.BYTES) continue;
    if (field.scalar === ScalarType.STRING) example[field.jsonName] = field.name;
    else if (field.scalar === ScalarType.BOOL) example[field.jsonName] = true;
    else example[field.jsonName] = number++;
  }
  return example;
}

function innerExample(desc: DescMessage, outer: readonly DescMessage[]): Example {
  const isLeftOut = outer.length === MAX_EXAMPLE_LEVELS || outer.includes(desc);
  return isLeftOut || desc.typeName.startsWith("google.protobuf.") ? {} : exampleOf(desc, outer);
}
