/** Makes one call with Connect's client, and records it. */
import type { DescMethodServerStreaming, DescMethodUnary, Message, Registry } from "@bufbuild/protobuf";
import { type CallOptions as ClientOptions, Code, ConnectError, createClient } from "@connectrpc/connect";
import type { CallableMethod } from "./methods.ts";
import { createTransport, type Protocol } from "./protocol.ts";
import { createRecorder, type Header, type ReceivedResponse, type Recorder, type SentRequest } from "./recorder.ts";
import { type ReceivedStream, StreamRecorder } from "./stream-recorder.ts";
import { truncate } from "./truncate.ts";

interface CallOf<Method> {
  readonly protocol: Protocol;
  readonly method: Method;
  readonly input: Message;
  /** Metadata, which is sent in the headers (metadata.ts). */
  readonly headers: readonly Header[];
  /** The deadline. Undefined for a call without one. */
  readonly timeoutMs: number | undefined;
  /** True if the encoded message is truncated. */
  readonly isTruncated: boolean;
}

export type Call = CallOf<CallableMethod>;
export type UnaryCall = CallOf<DescMethodUnary>;
export type StreamCall = CallOf<DescMethodServerStreaming>;

interface OutcomeParts {
  /** The time from the start of the call to its end, or so far. */
  readonly milliseconds: number;
  /** Undefined if nothing was sent. */
  readonly request: SentRequest | undefined;
  /** Undefined if the response did not arrive: completely for a unary call, its headers for a stream. */
  readonly response: ReceivedResponse | undefined;
  /** True if the user stopped the call before its end. */
  readonly isStopped: boolean;
}

export interface UnaryOutcome extends UnaryCall, OutcomeParts {
  /** The response's message, or the error. */
  readonly output: Message | ConnectError;
}

export interface StreamOutcome extends StreamCall, OutcomeParts {
  readonly stream: ReceivedStream;
  /** The error that ended the stream. */
  readonly error: ConnectError | undefined;
  /** True if no further messages will come. */
  readonly isOver: boolean;
}

export type Outcome = UnaryOutcome | StreamOutcome;

export interface CallOptions {
  /** The types that a google.protobuf.Any can hold in JSON. */
  readonly registry: Registry;
  /** Stops the call. */
  readonly signal?: AbortSignal;
  /** Called with the outcome so far when the headers of a stream have arrived, and after each further piece of it. */
  readonly onProgress?: (outcome: StreamOutcome) => void;
}

/** Makes the call to `origin`. The promise never rejects: an error becomes a part of the outcome. */
export function makeCall(call: Call, origin: string, options: CallOptions): Promise<Outcome> {
  return isUnary(call) ? makeUnary(call, origin, options) : makeStream(call as StreamCall, origin, options);
}

function isUnary(call: Call): call is UnaryCall {
  return call.method.methodKind === "unary";
}

export function isStream(outcome: Outcome): outcome is StreamOutcome {
  return "stream" in outcome;
}

/** Returns the error of the call. Returns undefined if the call succeeded, or is still going on. */
export function errorOf(outcome: Outcome): ConnectError | undefined {
  if (isStream(outcome)) return outcome.error;
  return outcome.output instanceof ConnectError ? outcome.output : undefined;
}

/** True if no response came because the server could not be reached: the call was not stopped, and is not late. */
export function isUnanswered(outcome: Outcome): boolean {
  const error = errorOf(outcome);
  if (outcome.request === undefined || outcome.response !== undefined || error === undefined) return false;
  return !outcome.isStopped && error.code !== Code.DeadlineExceeded;
}

type Invoke<Result> = (input: Message, options: ClientOptions) => Result;

async function makeUnary(call: UnaryCall, origin: string, options: CallOptions): Promise<UnaryOutcome> {
  const { signal = new AbortController().signal } = options;
  const start = performance.now();
  const recorder = createRecorder({ change: call.isTruncated ? truncate : undefined });
  const invoke = prepare<Promise<Message>>(call, origin, options, recorder);
  const output = await invoke(call.input, clientOptions(call, signal)).catch(ConnectError.from);
  const milliseconds = performance.now() - start;
  await recorder.addTiming();
  const isStopped = signal.aborted && output instanceof ConnectError;
  return { ...call, output, milliseconds, request: recorder.request, response: recorder.response, isStopped };
}

async function makeStream(call: StreamCall, origin: string, options: CallOptions): Promise<StreamOutcome> {
  const { signal = new AbortController().signal, onProgress = () => {} } = options;
  const start = performance.now();
  const stream = new StreamRecorder(start, () => onProgress(outcome()));
  const recorder = createRecorder({ change: call.isTruncated ? truncate : undefined, stream });
  const invoke = prepare<AsyncIterable<Message>>(call, origin, options, recorder);
  /** Ends the fetch, which would otherwise go on after an error that the client finds in the response. */
  const over = new AbortController();
  let error: ConnectError | undefined;

  function outcome(): StreamOutcome {
    const milliseconds = performance.now() - start;
    const { request, response } = recorder;
    return {
      ...call,
      milliseconds,
      request,
      response,
      stream: stream.received,
      error,
      isOver: false,
      isStopped: false,
    };
  }

  try {
    const onHeader = () => onProgress(outcome());
    const all = { ...clientOptions(call, AbortSignal.any([signal, over.signal])), onHeader };
    for await (const _ of invoke(call.input, all)) {
      // The recorder has the bytes of each message, so the message itself is not kept.
    }
  } catch (reason) {
    error = ConnectError.from(reason);
  }
  over.abort();
  const ended = outcome();
  await recorder.addTiming();
  return { ...ended, response: recorder.response, isOver: true, isStopped: signal.aborted && error !== undefined };
}

/** Returns the function of Connect's client that calls the method. */
function prepare<Result>(
  { method, protocol }: Call,
  origin: string,
  { registry }: CallOptions,
  { fetch }: Recorder,
): Invoke<Result> {
  const client = createClient(method.parent, createTransport(protocol, origin, fetch, registry));
  return client[method.localName] as unknown as Invoke<Result>;
}

function clientOptions({ headers, timeoutMs }: Call, signal: AbortSignal): ClientOptions {
  const pairs = headers.map(([name, value]): [string, string] => [name, value]);
  return { signal, headers: pairs, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
}
