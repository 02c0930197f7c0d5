/** Connect's universal handlers over an exchange. */
import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import { blamingCaller, createCallErrors } from "./call-errors.ts";
import type { Exchange, Handler } from "./exchange.ts";
import { plainGrpcMessage } from "./grpc-message.ts";
import { acceptPost, respondMethodNotAllowed, respondOptions, respondUnknown } from "./refusals.ts";

/** A unary request of up to this many bytes is taken whole, in one piece: Connect's handlers are slow with many. */
const GATHERED_BYTES = 65_536;

/** Registers services with a router: what Connect's own adapters take. */
export type Routes = (router: ConnectRouter) => void;

export interface HandlersOptions {
  readonly routes: Routes;
  /** Takes an entry, of one or more lines, on each exception that was not meant for the caller. */
  readonly log: (entry: string) => void;
  /** Ends the calls under way when it aborts, with its reason. */
  readonly shutdownSignal: AbortSignal;
}

export interface Handlers {
  readonly handler: Handler;
  /** The registered services, in their order. */
  readonly services: readonly DescService[];
}

/** Makes one handler of all registered procedures, for every protocol. */
export function createHandlers({ routes, log, shutdownSignal }: HandlersOptions): Handlers {
  const callErrors = createCallErrors(log);
  const router = createConnectRouter({
    acceptCompression: [blamingCaller(compressionGzip), blamingCaller(compressionBrotli)],
    requestGate: callErrors.requestGate,
    interceptors: [callErrors.interceptor],
    shutdownSignal,
  });
  routes(router);
  const procedures = new Map(router.handlers.map((procedure) => [procedure.requestPath, procedure]));
  const services = [...new Set(router.handlers.map((procedure) => procedure.service))];

  return {
    services,
    handler(exchange) {
      const { method, path } = exchange.request;
      const procedure = procedures.get(path.split("?", 1)[0] as string);
      if (procedure === undefined) respondUnknown(exchange, services);
      else if (method === "OPTIONS") respondOptions(exchange, procedure.allowedMethods);
      else if (!procedure.allowedMethods.includes(method)) respondMethodNotAllowed(exchange, procedure.allowedMethods);
      else if (procedure.method.methodKind !== "unary") call(procedure, exchange, inPieces(exchange.body));
      else
        exchange.gather(
          GATHERED_BYTES,
          (bytes) => call(procedure, exchange, inOne(Buffer.from(bytes))),
          () => call(procedure, exchange, inPieces(exchange.body)),
        );
    },
  };

  function call(procedure: UniversalHandler, exchange: Exchange, body: AsyncIterable<Uint8Array>): void {
    answer(procedure, exchange, body).catch((error) => {
      log(`answer ${procedure.requestPath}: ${error instanceof Error ? error.stack : error}`);
      exchange.reset("internal");
    });
  }
}

async function answer(
  procedure: UniversalHandler,
  exchange: Exchange,
  requestBody: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { httpVersion, scheme, authority, path, method, fields } = exchange.request;
  const abort = new AbortController();
  exchange.onAbandoned = () => abort.abort(new ConnectError("the caller went away", Code.Canceled));
  const { status, header, body, trailer } = await procedure({
    httpVersion,
    url: `${scheme}://${authority}${path}`,
    method,
    header: new Headers(fields as [string, string][]),
    body: requestBody,
    signal: abort.signal,
  });
  exchange.start({ status, fields: [...(header ?? []), ...(status === 415 ? acceptPost(procedure.method) : [])] });
  for await (const piece of body ?? []) {
    if (abort.signal.aborted) return exchange.reset();
    const writable = exchange.write(piece);
    if (writable !== undefined) await writable;
  }
  exchange.end(plainGrpcMessage([...(trailer ?? [])]));
}

async function* inOne(body: Uint8Array): AsyncIterable<Uint8Array> {
  if (body.length > 0) yield body;
}

/** The body as it comes, with its failure as the error that Connect has for it. */
async function* inPieces(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    throw new ConnectError("the caller went away", Code.Canceled, undefined, undefined, cause);
  }
}
