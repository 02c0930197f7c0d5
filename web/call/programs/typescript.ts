/** Formats a call as a TypeScript program for Connect's client. */
import {
  type DescEnum,
  type DescField,
  type DescFile,
  type DescMessage,
  type DescService,
  isMessage,
  type Message,
} from "@bufbuild/protobuf";
import { wktPublicImportPaths } from "@bufbuild/protobuf/codegenv2";
import { reflect } from "@bufbuild/protobuf/reflect";
import type { Any } from "@bufbuild/protobuf/wkt";
import { group, indent, numberText, type ProgramCall, unpack } from "./program.ts";

/** The names that the program imports. */
interface Imports {
  /** Adds the export of a module. Returns its name in the program. */
  add(module: string, name: string): string;
  readonly lines: readonly string[];
}

/** Returns the program. It imports the generated code from ./gen. */
export function typescriptProgram(call: ProgramCall): string {
  const { method, inputs, address, headers = [], timeoutMs } = call;
  const imports = createImports();
  const createClient = imports.add("@connectrpc/connect", "createClient");
  const createTransport = imports.add("@connectrpc/connect-node", "createConnectTransport");
  const service = imports.add(moduleOf(method.parent.file), generatedName(method.parent));
  const messages = inputs.map((input) => messageText(input, method.input, imports, call));
  const isStream = method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming";
  const options = [
    ...(headers.length === 0
      ? []
      : [
          list(
            "headers: [",
            headers.map(([k, v]) => `[${text(k)}, ${text(v)}]`),
            "]",
          ),
        ]),
    ...(timeoutMs === undefined ? [] : [`timeoutMs: ${timeoutMs}`]),
  ];
  const words = [isStream ? "requests()" : (messages[0] ?? ""), ...(options.length === 0 ? [] : [object(options)])];
  const name = `client.${method.localName}`;
  const response = words.length === 1 ? `${name}(${words[0]})` : list(`${name}(`, words, ")");
  const isMany = method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming";
  const requests = isStream ? [`\n${requestsFunction(messages, method.input, imports)}\n`] : [];
  const baseUrl = text(`${address.scheme}://${address.authority}`);
  return [
    ...imports.lines,
    "",
    `const transport = ${createTransport}({ baseUrl: ${baseUrl}, httpVersion: "2" });`,
    `const client = ${createClient}(${service}, transport);`,
    ...requests,
    isMany
      ? `for await (const response of ${response}) {\n  console.log(response);\n}`
      : `console.log(await ${response});`,
  ].join("\n");
}

function requestsFunction(messages: readonly string[], input: DescMessage, imports: Imports): string {
  if (messages.length === 0) return "async function* requests() {}";
  const create = imports.add("@bufbuild/protobuf", "create");
  const schema = schemaOf(input, imports);
  const lines = messages.map((message) => `  yield ${create}(${schema}, ${indent(message, INDENT)});`);
  return `async function* requests() {\n${lines.join("\n")}\n}`;
}

function messageText(message: Message, desc: DescMessage, imports: Imports, call: ProgramCall): string {
  if (desc.typeName === "google.protobuf.Any") {
    const inner = unpack(message as Any, call.registry);
    if (inner !== undefined) {
      const [pack, create] = [imports.add(WKT, "anyPack"), imports.add("@bufbuild/protobuf", "create")];
      const schema = schemaOf(inner.desc, imports);
      return `${pack}(${schema}, ${create}(${schema}, ${messageText(inner.message, inner.desc, imports, call)}))`;
    }
  }
  const properties = message as unknown as Readonly<Record<string, unknown>>;
  const view = reflect(desc, message);
  const fields = desc.fields
    .filter((field) => view.isSet(field))
    .map((field) => {
      if (field.oneof === undefined) {
        return `${key(field.localName)}: ${fieldText(field, properties[field.localName], imports, call)}`;
      }
      const { value } = properties[field.oneof.localName] as { readonly value: unknown };
      const choice = [`case: ${text(field.localName)}`, `value: ${fieldText(field, value, imports, call)}`];
      return `${key(field.oneof.localName)}: ${object(choice)}`;
    });
  return object(fields);
}

function fieldText(field: DescField, value: unknown, imports: Imports, call: ProgramCall): string {
  const one = (value: unknown): string => {
    if (field.enum !== undefined) return enumText(field.enum, value as number, imports);
    if (field.message === undefined || !isMessage(value)) return valueText(value); // wrappers and Struct are not messages
    return messageText(value, field.message, imports, call);
  };
  if (field.fieldKind === "list") return list("[", (value as unknown[]).map(one), "]");
  if (field.fieldKind === "map") return object(Object.entries(value as object).map(([k, v]) => `${key(k)}: ${one(v)}`));
  return one(value);
}

/** Returns the name of an enum's value. A number that the enum does not have needs a cast. */
function enumText(desc: DescEnum, number: number, imports: Imports): string {
  const name = imports.add(moduleOf(desc.file), generatedName(desc));
  const value = desc.value[number];
  return value === undefined ? `${number} as number as ${name}` : `${name}.${value.localName}`;
}

/** Returns a scalar or a value of JSON. */
function valueText(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "number") return numberText(value);
  if (value instanceof Uint8Array) return `Uint8Array.from([${Array.from(value).join(", ")}])`;
  if (Array.isArray(value)) return list("[", value.map(valueText), "]");
  if (typeof value !== "object" || value === null) return text(value);
  return object(Object.entries(value).map(([name, each]) => `${key(name)}: ${valueText(each)}`));
}

const INDENT = "  ";

function list(open: string, items: readonly string[], close: string): string {
  return group(open, items, close, INDENT);
}

function object(properties: readonly string[]): string {
  return group("{", properties, "}", INDENT, " ");
}

/** Returns the name of a property. `__proto__: x` would set the prototype. */
function key(name: string): string {
  if (name === "__proto__") return '["__proto__"]';
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : text(name);
}

function text(value: unknown): string {
  return JSON.stringify(value);
}

const WKT = "@bufbuild/protobuf/wkt";

function schemaOf(desc: DescMessage, imports: Imports): string {
  return imports.add(moduleOf(desc.file), `${nameInFile(desc)}Schema`);
}

function moduleOf(file: DescFile): string {
  return wktPublicImportPaths[file.proto.name] ?? `./gen/${file.name}_pb.ts`;
}

/** Returns the name of a descriptor in the code that protoc-gen-es generates. */
function generatedName(desc: DescEnum | DescService): string {
  const name = nameInFile(desc);
  return RESERVED.test(name) ? `${name}$` : name;
}

function nameInFile({ typeName, file }: DescMessage | DescEnum | DescService): string {
  const prefix = file.proto.package === "" ? 0 : file.proto.package.length + 1;
  return typeName.slice(prefix).replaceAll(".", "_");
}

/** Matches the words to which protoc-gen-es adds a dollar sign. */
const RESERVED =
  /^(break|case|catch|class|const|continue|debugger|default|delete|do|else|enum|export|extends|false|finally|for|function|if|implements|import|in|instanceof|interface|let|new|null|package|private|protected|public|return|static|super|switch|this|throw|true|try|typeof|var|void|while|with|yield|Object|bigint|number|boolean|string|object|globalThis|Uint8Array|Partial)$/;

function createImports(): Imports {
  const modules = new Map<string, Map<string, string>>();
  const taken = new Set(["transport", "client", "requests", "response"]);
  return {
    add(module, name) {
      const names = modules.get(module) ?? new Map<string, string>();
      modules.set(module, names);
      const known = names.get(name);
      if (known !== undefined) return known;
      let local = name;
      for (let number = 2; taken.has(local); number++) local = `${name}${number}`;
      taken.add(local);
      names.set(name, local);
      return local;
    },
    get lines() {
      const isFile = ([module]: readonly [string, unknown]): boolean => module.startsWith(".");
      const sorted = [...modules].sort(
        (a, b) => Number(isFile(a)) - Number(isFile(b)) || (a[0] < b[0] ? -1 : 1), // packages first
      );
      return sorted.map(([module, names]) => {
        const words = Array.from(names, ([name, local]) => (name === local ? name : `${name} as ${local}`));
        return `import { ${words.sort().join(", ")} } from ${text(module)};`;
      });
    },
  };
}
