/** What is answered where there is no procedure to call, or not in this way. */
import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { type Exchange, type Field, fieldValue } from "../http/exchange.ts";
import { quote } from "../log/quote.ts";
import { plainGrpcMessage } from "./grpc-message.ts";

const NOTHING = new Uint8Array();

/** 400 to a request whose Host or :authority is none (RFC 9112, 3.2). */
export function respondBadAuthority(exchange: Exchange): void {
  const message = `read the request: ${quote(exchange.request.authority)} is no host with an optional port\n`;
  exchange.respond({ status: 400, fields: [["content-type", "text/plain; charset=utf-8"]] }, Buffer.from(message));
}

/**
 * 403 to a browser that names a host that is not allowed, as Rails, Vite and webpack-dev-server answer. 421 would have it
 * try once more on another connection (RFC 9110, 15.5.20).
 */
export function respondForbiddenHost(exchange: Exchange): void {
  const { authority, method } = exchange.request;
  const message = `serve host ${quote(authority)}: not one of the allowed hosts (--allowed-hosts)\n`;
  const fields = [["content-type", "text/plain; charset=utf-8"]] as const;
  exchange.respond({ status: 403, fields }, Buffer.from(method === "HEAD" ? "" : message));
}

/** `unimplemented`, naming what was asked for and what is served, in the protocol that the request speaks. */
export function respondUnknown(exchange: Exchange, services: readonly DescService[]): void {
  const { path, fields } = exchange.request;
  const error = new ConnectError(unknownMessage(path.split("?", 1)[0] as string, services), Code.Unimplemented);
  const [, grpc] = /^(application\/grpc(?:-web)?)(?:[+;]|$)/i.exec(fieldValue(fields, "content-type") ?? "") ?? [];
  if (grpc !== undefined) {
    // A status in place of an answer comes in the head (gRPC over HTTP/2, "Trailers-Only").
    const status = setTrailerStatus(new Headers({ "content-type": `${grpc.toLowerCase()}+proto` }), error);
    exchange.respond({ status: 200, fields: plainGrpcMessage([...status]) }, NOTHING);
  } else {
    exchange.respond(
      { status: 404, fields: [["content-type", "application/json"]] },
      errorToJsonBytes(error, undefined),
    );
  }
}

/** 204 with the methods that the target allows (RFC 9110, 9.3.7). */
export function respondOptions(exchange: Exchange, methods: readonly string[]): void {
  exchange.respond({ status: 204, fields: [allow(methods)] }, NOTHING);
}

/** 405 with the methods that the target allows (RFC 9110, 15.5.6). */
export function respondMethodNotAllowed(exchange: Exchange, methods: readonly string[]): void {
  exchange.respond({ status: 405, fields: [allow(methods)] }, NOTHING);
}

/**
 * Returns the content types that the method takes by these protocols, for a 415 (RFC 9110, 15.5.16; Accept-Post: W3C
 * Linked Data Platform, 7.1).
 */
export function acceptPost({ method, protocolNames }: Pick<UniversalHandler, "method" | "protocolNames">): Field[] {
  const connect = method.methodKind === "unary" ? ["proto", "json"] : ["connect+proto", "connect+json"];
  const subtypes = ["connect", "grpc", "grpc-web"]
    .filter((name) => protocolNames.includes(name))
    .flatMap((name) => (name === "connect" ? connect : [name, `${name}+proto`, `${name}+json`]));
  return [["accept-post", subtypes.map((subtype) => `application/${subtype}`).join(", ")]];
}

function allow(methods: readonly string[]): Field {
  return ["allow", [...methods, "OPTIONS"].join(", ")];
}

function unknownMessage(path: string, services: readonly DescService[]): string {
  const shown = quote(path);
  const service = services.find(({ typeName }) => path.startsWith(`/${typeName}/`));
  if (service === undefined) return `call ${shown}: no such service; served are ${names(services, "typeName")}`;
  return `call ${shown}: no such method; ${service.typeName} has ${names(service.methods, "name")}`;
}

function names<K extends string>(things: readonly Record<K, string>[], key: K): string {
  return things.map((thing) => thing[key]).join(", ");
}
