/** Responses to calls of unknown procedures and to unsupported content types. */
import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { EMPTY_BYTES, type Exchange, type Field, fieldValue, pathWithoutQuery } from "../http/exchange.ts";
import { quote } from "../log/quote.ts";
import { plainGrpcMessage } from "./grpc-message.ts";

/**
 * Responds with `unimplemented` in the protocol of the request. The message names the path, and the services or methods
 * that exist.
 */
export function respondUnknown(
  exchange: Exchange,
  services: readonly DescService[],
  pathPrefixOf: (service: DescService) => string,
): void {
  const { path, fields } = exchange.request;
  const error = new ConnectError(unknownMessage(pathWithoutQuery(path), services, pathPrefixOf), Code.Unimplemented);
  const [, grpc] = /^(application\/grpc(?:-web)?)(?:[+;]|$)/i.exec(fieldValue(fields, "content-type") ?? "") ?? [];
  if (grpc !== undefined) {
    // A gRPC response without messages can have its status in the headers (gRPC over HTTP/2, "Trailers-Only").
    const status = setTrailerStatus(new Headers({ "content-type": `${grpc.toLowerCase()}+proto` }), error);
    exchange.respond({ status: 200, fields: plainGrpcMessage([...status]) }, EMPTY_BYTES);
  } else {
    exchange.respond(
      { status: 404, fields: [["content-type", "application/json"]] },
      errorToJsonBytes(error, undefined),
    );
  }
}

/** True if the content type of a request is of gRPC or gRPC-Web, so that no other route can respond to it. */
export function isGrpc({ request }: Exchange): boolean {
  return /^application\/grpc(?:-web(?:-text)?)?(?:[+;]|$)/i.test(fieldValue(request.fields, "content-type") ?? "");
}

/**
 * Returns the Accept-Post header of a 415 response, which lists the content types of a method (RFC 9110, 15.5.16; W3C
 * Linked Data Platform, 7.1).
 */
export function acceptPost({ method, protocolNames }: Pick<UniversalHandler, "method" | "protocolNames">): Field[] {
  const connect = method.methodKind === "unary" ? ["proto", "json"] : ["connect+proto", "connect+json"];
  const subtypes = ["connect", "grpc", "grpc-web"]
    .filter((name) => protocolNames.includes(name))
    .flatMap((name) => (name === "connect" ? connect : [name, `${name}+proto`, `${name}+json`]));
  return [["accept-post", subtypes.map((subtype) => `application/${subtype}`).join(", ")]];
}

function unknownMessage(
  path: string,
  services: readonly DescService[],
  pathPrefixOf: (service: DescService) => string,
): string {
  const shown = quote(path);
  const pathOf = (service: DescService): string => {
    const prefix = pathPrefixOf(service);
    return prefix === "" ? service.typeName : `${prefix}/${service.typeName}`;
  };
  const service = services.find((each) => path.startsWith(`${pathPrefixOf(each)}/${each.typeName}/`));
  if (service === undefined) return `call ${shown}: no such service; served are ${services.map(pathOf).join(", ")}`;
  return `call ${shown}: no such method; ${service.typeName} has ${service.methods.map(({ name }) => name).join(", ")}`;
}
