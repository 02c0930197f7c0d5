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
}

/** Returns one command for each tool, to call the first unary method of `services`. Without such a method, returns []. */
export function usageLines(services: readonly DescService[], address: Address): string[] {
  const method = services.flatMap((service) => service.methods).find(({ methodKind }) => methodKind === "unary");
  return method === undefined ? [] : shellLines(method, JSON.stringify(exampleOf(method.input)), address);
}

/** Returns one command for each tool, to call `method` at `address` with the message `json`. */
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

/** Returns the authority with a port. gRPC clients take a host and a port, so a default port must be added. */
export function withPort({ scheme, authority }: Address): string {
  if (/:\d+$/.test(authority)) return authority;
  return `${authority.replace(/:$/, "")}:${scheme === "http" ? 80 : 443}`;
}

const CLIENT_CERTIFICATE = ["--cert", "FILE", "--key", "FILE"];

/** Returns the text as one word for a shell, quoted if necessary. */
function quoted(word: string): string {
  return /^[\w./:@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/**
 * Returns an example message for JSON. Numbers are 1, 2, and so on. Each string is the name of its field, and each
 * boolean is true. Leaves out bytes and all fields that are not scalar.
 */
export function exampleOf({ fields }: DescMessage): Record<string, string | number | boolean> {
  const example: Record<string, string | number | boolean> = {};
  let number = 1;
  for (const field of fields) {
    if (field.fieldKind !== "scalar" || field.scalar === ScalarType.BYTES) continue;
    if (field.oneof !== undefined && field.oneof.fields[0] !== field) continue; // at most one field of a oneof may be set
    if (field.scalar === ScalarType.STRING) example[field.jsonName] = field.name;
    else if (field.scalar === ScalarType.BOOL) example[field.jsonName] = true;
    else example[field.jsonName] = number++;
  }
  return example;
}
