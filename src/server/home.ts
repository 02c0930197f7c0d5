/** What `GET /` answers: a few lines that say what this is and how to call it. */
import type { DescService } from "@bufbuild/protobuf";
import type { Handler } from "./exchange.ts";
import { respondMethodNotAllowed, respondOptions } from "./refusals.ts";
import { usageLines } from "./usage.ts";

const METHODS = ["GET", "HEAD"];

/** The handler of "/", for a server of these services. */
export function createHome(services: readonly DescService[]): Handler {
  const served = services.map(
    (service) => `  ${service.typeName}: ${service.methods.map(({ name }) => name).join(", ")}`,
  );
  return (exchange) => {
    const { method, authority } = exchange.request;
    if (method === "OPTIONS") return respondOptions(exchange, METHODS);
    if (!METHODS.includes(method)) return respondMethodNotAllowed(exchange, METHODS);
    const lines = [
      "These services answer gRPC, gRPC-Web and Connect on this port, over HTTP/1.1 and HTTP/2:",
      ...served,
      "",
      "Call one:",
      ...usageLines(services, authority).map((line) => `  ${line}`),
      "",
    ];
    const head = { status: 200, fields: [["content-type", "text/plain; charset=utf-8"]] as const };
    exchange.respond(head, Buffer.from(method === "HEAD" ? "" : lines.join("\n")));
  };
}
