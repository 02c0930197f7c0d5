/** What `GET /` answers: a few lines that say what this is and how to call it. */
import { X509Certificate } from "node:crypto";
import type { DescService } from "@bufbuild/protobuf";
import type { Handler } from "./exchange.ts";
import { respondMethodNotAllowed, respondOptions } from "./refusals.ts";
import type { TlsCredentials } from "./tls.ts";
import { type Address, usageLines } from "./usage.ts";

const METHODS = ["GET", "HEAD"];

/** The handler of "/", for a server of these services, and of these credentials where it speaks TLS. */
export function createHome(services: readonly DescService[], tls: () => TlsCredentials | undefined): Handler {
  const served = services.map(
    (service) => `  ${service.typeName}: ${service.methods.map(({ name }) => name).join(", ")}`,
  );
  return (exchange) => {
    const { method, authority, scheme } = exchange.request;
    if (method === "OPTIONS") return respondOptions(exchange, METHODS);
    if (!METHODS.includes(method)) return respondMethodNotAllowed(exchange, METHODS);
    const lines = [
      "These services answer gRPC, gRPC-Web and Connect on this port, over HTTP/1.1 and HTTP/2:",
      ...served,
      "",
      "Call one:",
      ...usageLines(services, { scheme, authority, ...clientNeeds(tls()) }).map((line) => `  ${line}`),
      "",
    ];
    const head = { status: 200, fields: [["content-type", "text/plain; charset=utf-8"]] as const };
    exchange.respond(head, Buffer.from(method === "HEAD" ? "" : lines.join("\n")));
  };
}

/** What a client needs that is not on its machine: where the files are is its user's to know. */
function clientNeeds(tls: TlsCredentials | undefined): Pick<Address, "ca" | "mutual"> {
  if (tls === undefined) return {};
  const certificate = new X509Certificate(tls.cert);
  const selfSigned = certificate.checkIssued(certificate);
  return { ca: selfSigned ? "FILE" : undefined, mutual: tls.clientCa !== undefined };
}
