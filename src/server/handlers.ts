/** Connect's universal handlers over an exchange. */
import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, createConnectRouter, type Interceptor } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import type { Budget } from "./budget.ts";
import { blamingCaller, createCallErrors } from "./call-errors.ts";
import { wholeEnvelopes } from "./envelopes.ts";
import type { Exchange, Handler } from "./exchange.ts";
import { plainGrpcMessage } from "./grpc-message.ts";
import type { OnLimit } from "./limits.ts";
import { shortenTimeouts } from "./long-timeouts.ts";
import { createOverload } from "./overload.ts";
import { contextValuesOf } from "./peer.ts";
import { acceptPost, respondMethodNotAllowed, respondOptions, respondUnknown } from "./refusals.ts";
import { Deadlines, type Waiting } from "./unary/deadlines.ts";
import { createLane } from "./unary/lane.ts";
import { recordUnary, type UnaryMethod } from "./unary/method.ts";

/** What gRPC adds to a message. */
const ENVELOPE_BYTES = 5;
/** The most that Connect's options can say. */
const MAX_MESSAGE_BYTES = 0xffff_ffff;

/** Registers services with a router: what Connect's own adapters take. */
export type Routes = (router: ConnectRouter) => void;

export interface HandlersOptions {
  readonly routes: Routes;
  /** Connect's interceptors, the first of them outermost. */
  readonly interceptors: readonly Interceptor[];
  /** Bytes of a caller's message, before and after decompression, unless a service's registration says otherwise. */
  readonly messageBytes: number;
  /** Handlers that run, and may. */
  readonly inFlight: Budget;
  /** Whether a service is served whatever runs, and not counted. */
  readonly isSpared: (service: DescService) => boolean;
  /** ms that a unary call may take, whatever its caller says. */
  readonly deadlineMs: number;
  /** Whether valid unary calls take the lane. */
  readonly lane: boolean;
  /** Takes an entry, of one or more lines, on each exception that was not meant for the caller. */
  readonly log: (entry: string) => void;
  readonly onLimit: OnLimit;
  /** Tells handlers when it aborts, with its reason, and ends streams. */
  readonly shutdownSignal: AbortSignal;
  /** Ends every call when it aborts, with its reason. */
  readonly cutSignal: AbortSignal;
}

export interface Handlers {
  readonly handler: Handler;
  /** The registered services, in their order. */
  readonly services: readonly DescService[];
}

/** Makes one handler of all registered procedures, for every protocol. */
export function createHandlers(options: HandlersOptions): Handlers {
  const { routes, interceptors, inFlight, deadlineMs, lane, log, onLimit, shutdownSignal, cutSignal } = options;
  const readMaxBytes = Math.min(options.messageBytes, MAX_MESSAGE_BYTES);
  const callErrors = createCallErrors(log, onLimit, cutSignal);
  const overload = createOverload(inFlight, options.isSpared, onLimit);
  // A unary request is taken whole, where its message may be: Connect's handlers are slow with many pieces.
  const gatheredBytes = readMaxBytes + ENVELOPE_BYTES;
  const compressions = [blamingCaller(compressionGzip), blamingCaller(compressionBrotli)];
  const router = createConnectRouter({
    acceptCompression: compressions,
    requestGate(context) {
      callErrors.requestGate(context);
      overload.requestGate(context);
    },
    interceptors: [callErrors.interceptor, overload.interceptor, ...interceptors],
    readMaxBytes,
    shutdownSignal,
  });
  const methods = new Map<string, UnaryMethod>();
  routes(lane ? recordUnary(router, readMaxBytes, methods) : router);
  const waiting = new Deadlines<UniversalCall>(({ abort }) => {
    abort.abort(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  });
  cutSignal.addEventListener("abort", () => {
    for (const { abort } of waiting.takeAll()) abort.abort(cutSignal.reason);
  });
  const procedures = new Map(router.handlers.map((procedure) => [procedure.requestPath, procedure]));
  const services = [...new Set(router.handlers.map((procedure) => procedure.service))];

  function handle(exchange: Exchange): void {
    const { method } = exchange.request;
    const procedure = procedureOf(exchange);
    if (procedure === undefined) respondUnknown(exchange, services);
    else if (method === "OPTIONS") respondOptions(exchange, procedure.allowedMethods);
    else if (!procedure.allowedMethods.includes(method)) respondMethodNotAllowed(exchange, procedure.allowedMethods);
    else if (procedure.method.methodKind === "unary") call(exchange, (gone) => gathered(exchange, gatheredBytes, gone));
    else call(exchange, () => wholeEnvelopes(inPieces(exchange.body), readMaxBytes));
  }

  function handleWhole(body: Uint8Array, exchange: Exchange): void {
    call(exchange, () => inOne(body));
  }

  function handleInPieces(exchange: Exchange): void {
    call(exchange, () => inPieces(exchange.body));
  }

  async function call(exchange: Exchange, body: Body): Promise<void> {
    const procedure = procedureOf(exchange) as UniversalHandler;
    const underWay = new UniversalCall(exchange, procedure.method.methodKind === "unary" ? deadlineMs : undefined);
    waiting.add(underWay);
    try {
      await answer(procedure, underWay, body);
    } catch (error) {
      cannotAnswer(exchange, error);
    } finally {
      waiting.remove(underWay);
    }
  }

  function cannotAnswer(exchange: Exchange, error: unknown): void {
    const { requestPath } = procedureOf(exchange) as UniversalHandler;
    log(`answer ${requestPath}: ${error instanceof Error ? error.stack : error}`);
    exchange.reset("internal");
  }

  function procedureOf({ request }: Exchange): UniversalHandler | undefined {
    return procedures.get(request.path.split("?", 1)[0] as string);
  }

  const connect = { handle, handleWhole, handleInPieces };
  const { toConnectError } = callErrors;
  const handler = lane
    ? createLane({
        methods,
        compressions,
        interceptors,
        shutdownSignal,
        cutSignal,
        gatheredBytes,
        inFlight,
        deadlineMs,
        connect,
        toConnectError,
        cannotAnswer,
      })
    : handle;
  return { services, handler };
}

/** A request's body, until the caller is gone. */
type Body = (gone: AbortSignal) => AsyncIterable<Uint8Array>;

/** A call that Connect's handlers answer. */
class UniversalCall implements Waiting<UniversalCall> {
  readonly exchange: Exchange;
  /** When it is given up, in ms of performance.now(); Infinity for never. */
  readonly deadline: number;
  next: UniversalCall | undefined;
  previous: UniversalCall | undefined;
  readonly abort = new AbortController();
  isAbandoned = false;

  constructor(exchange: Exchange, deadlineMs: number | undefined) {
    this.exchange = exchange;
    this.deadline = deadlineMs === undefined ? Number.POSITIVE_INFINITY : exchange.startedAt + deadlineMs;
    exchange.onAbandoned = () => {
      this.isAbandoned = true;
      this.abort.abort(new ConnectError("the caller went away", Code.Canceled));
    };
  }
}

async function answer(procedure: UniversalHandler, call: UniversalCall, requestBody: Body): Promise<void> {
  const { exchange, abort } = call;
  const { httpVersion, scheme, authority, path, method, fields } = exchange.request;
  const requestHeader = new Headers(fields as [string, string][]);
  shortenTimeouts(requestHeader);
  const { status, header, body, trailer } = await procedure({
    httpVersion,
    url: `${scheme}://${authority}${path}`,
    method,
    header: requestHeader,
    body: requestBody(abort.signal),
    signal: abort.signal,
    contextValues: contextValuesOf(exchange),
  });
  exchange.start({ status, fields: [...(header ?? []), ...(status === 415 ? acceptPost(procedure.method) : [])] });
  for await (const piece of body ?? []) {
    if (call.isAbandoned) return exchange.reset();
    const writable = exchange.write(piece);
    if (writable !== undefined) await writable;
  }
  exchange.end(plainGrpcMessage([...(trailer ?? [])]));
}

/** The body in one piece, where it has no more than so many bytes. Nothing is waited for until it is asked for. */
async function* gathered(exchange: Exchange, maxBytes: number, gone: AbortSignal): AsyncIterable<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | undefined>();
  if (gone.aborted) throw gone.reason;
  gone.addEventListener("abort", () => reject(gone.reason));
  exchange.gather(maxBytes, resolve, () => resolve(undefined));
  const whole = await promise;
  yield* whole === undefined ? inPieces(exchange.body) : inOne(whole);
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
