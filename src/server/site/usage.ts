/** How to call a server with the tools people have: lines to paste, made from its descriptors. */
import { type DescMessage, type DescMethod, type DescService, ScalarType } from "@bufbuild/protobuf";

/** How a client reaches a server. */
export interface Address {
  readonly scheme: "http" | "https";
  /** Host and port; without a port it is the scheme's own. */
  readonly authority: string;
  /** A file with the authority that the server's certificate is to be checked by; undefined is the client's own. */
  readonly ca?: string | undefined;
  /** The name in the server's certificate, where it does not have the authority's. */
  readonly serverName?: string | undefined;
  /** True if the server has no reflection: grpcurl and buf curl then need the schema. Its folder is their user's to know. */
  readonly needsSchema?: boolean;
  /** Whether the client needs a certificate. */
  readonly mutual?: boolean;
}

/** A line each for grpcurl, buf curl and curl that calls the first unary method of the services at the address. */
export function usageLines(services: readonly DescService[], address: Address): string[] {
  const method = services.flatMap((service) => service.methods).find(({ methodKind }) => methodKind === "unary");
  return method === undefined ? [] : shellLines(method, JSON.stringify(exampleOf(method.input)), address);
}

/** A line each for grpcurl, buf curl and curl that calls the method at the address with a message in JSON. */
export function shellLines(method: DescMethod, json: string, address: Address): string[] {
  const { scheme, authority, ca, serverName, mutual = false, needsSchema = false } = address;
  const plain = scheme === "http";
  const data = ["-d", json];
  const procedure = `${method.parent.typeName}/${method.name}`;
  const tls = [...(ca === undefined ? [] : ["--cacert", ca]), ...(mutual ? CLIENT_CERTIFICATE : [])];

  const grpcurl = plain ? ["-plaintext"] : tls.map((word) => word.replace(/^--/, "-"));
  const bufCurl = plain ? ["--http2-prior-knowledge"] : tls;
  if (needsSchema) {
    grpcurl.push("-import-path", "DIR", "-proto", `${method.parent.file.name}.proto`);
    bufCurl.push("--schema", "DIR");
  }
  const target = withPort(address);
  const [asGrpcurl, asBuf, asCurl] =
    serverName === undefined
      ? [[], [], []]
      : [
          ["-authority", serverName],
          ["--servername", serverName],
          ["--connect-to", `::${target}`],
        ];
  const port = target.slice(target.lastIndexOf(":"));
  const curlUrl = serverName === undefined ? `${scheme}://${authority}` : `${scheme}://${serverName}${port}`;
  return [
    ["grpcurl", ...grpcurl, ...asGrpcurl, ...data, target, procedure],
    ["npx", "buf", "curl", ...bufCurl, ...asBuf, ...data, `${scheme}://${authority}/${procedure}`],
    ["curl", ...tls, ...asCurl, "-H", "Content-Type: application/json", ...data, `${curlUrl}/${procedure}`],
  ].map((words) => words.map(quoted).join(" "));
}

/** The authority with its port, which it leaves out where it is the scheme's own: a gRPC client takes no URL. */
export function withPort({ scheme, authority }: Address): string {
  if (/:\d+$/.test(authority)) return authority;
  return `${authority.replace(/:$/, "")}:${scheme === "http" ? 80 : 443}`;
}

const CLIENT_CERTIFICATE = ["--cert", "FILE", "--key", "FILE"];

/** As one word for a shell. */
function quoted(word: string): string {
  return /^[\w./:@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** A message in JSON, with 1, 2, ... in its numbers and each string's own name in it. */
export function exampleOf({ fields }: DescMessage): Record<string, string | number | boolean> {
  const example: Record<string, string | number | boolean> = {};
  let number = 1;
  for (const field of fields) {
    if (field.fieldKind !== "scalar" || field.scalar === ScalarType.BYTES) continue;
    if (field.oneof !== undefined && field.oneof.fields[0] !== field) continue; // one of them may be set
    if (field.scalar === ScalarType.STRING) example[field.jsonName] = field.name;
    else if (field.scalar === ScalarType.BOOL) example[field.jsonName] = true;
    else example[field.jsonName] = number++;
  }
  return example;
}
