/** The home page at `GET /`: text that lists the services and commands to call them, or HTML for browsers. */
import type { DescService } from "@bufbuild/protobuf";
import type { Field, Handler } from "../http/exchange.ts";
import { checkMethod, respondText } from "../http/responses.ts";
import type { TlsCredentials } from "../listener/tls-credentials.ts";
import type { Page } from "./page.ts";
import { type Address, usageLines } from "./usage.ts";

type ClientNeeds = Pick<Address, "ca" | "mutual">;

export interface HomeOptions {
  /** The page for browsers. If undefined, browsers get the text too. */
  readonly page: Page | undefined;
  /** True if reflection is off, so that clients need the schema. */
  readonly needsSchema: boolean;
  readonly pathPrefix: string | undefined;
}

const METHODS = ["GET", "HEAD"];

/** Returns the handler of "/". `tls` returns the current credentials, or undefined if the port is plain. */
export function createHome(
  services: readonly DescService[],
  tls: () => TlsCredentials | undefined,
  { page, needsSchema, pathPrefix }: HomeOptions,
): Handler {
  const served = services.map(
    (service) => `  ${service.typeName}: ${service.methods.map(({ name }) => name).join(", ")}`,
  );
  const fields: readonly Field[] = page === undefined ? [] : [["vary", "Accept"]];
  let last: { readonly credentials: TlsCredentials; readonly needs: ClientNeeds } | undefined;
  function needs(): ClientNeeds {
    const credentials = tls();
    if (credentials === undefined) return {};
    if (last?.credentials !== credentials) last = { credentials, needs: clientNeeds(credentials) };
    return last.needs;
  }
  return (exchange) => {
    if (!checkMethod(exchange, METHODS)) return;
    const { authority, scheme } = exchange.request;
    if (page?.isWanted(exchange)) return page.index(exchange);
    const lines = [
      "These services answer gRPC, gRPC-Web and Connect on this port, over HTTP/1.1 and HTTP/2:",
      ...served,
      "",
      "Call one:",
      ...usageLines(services, { scheme, authority, needsSchema, pathPrefix, ...needs() }).map((line) => `  ${line}`),
      "",
    ];
    respondText(exchange, 200, lines.join("\n"), fields);
  };
}

/**
 * Returns the needs of a client. If the server's certificate is self-signed, `ca` is "FILE": a path that the reader
 * fills in.
 */
function clientNeeds({ cert, clientCa }: TlsCredentials): ClientNeeds {
  const { X509Certificate } = process.getBuiltinModule("node:crypto");
  const certificate = new X509Certificate(cert);
  const selfSigned = certificate.checkIssued(certificate);
  return { ca: selfSigned ? "FILE" : undefined, mutual: clientCa !== undefined };
}
