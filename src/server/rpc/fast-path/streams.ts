/** Runs the streams on the fast path: server streams, client streams and bidirectional streams. */
import { setImmediate } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type StreamResponse } from "@connectrpc/connect";
import type { Piece } from "../../http/exchange.ts";
import type { Budget } from "../../limits/budget.ts";
import { deadlineExceeded, rewordLimitError } from "../call-errors.ts";
import { Deadlines } from "../deadlines.ts";
import { compressEnvelope } from "../envelope.ts";
import type { ErrorMapper } from "../error-mapper.ts";
import type { Observation } from "../observation.ts";
import { createValues, type StreamCall } from "./call.ts";
import { replace } from "./interceptors.ts";
import type { Fallback, FastPathOptions } from "./options.ts";
import { RequestMessages } from "./request-messages.ts";
import { interceptStream } from "./stream-interceptors.ts";

export class Streams {
  readonly #isExempt: FastPathOptions["isExempt"];
  readonly #inFlight: Budget;
  readonly #errors: ErrorMapper;
  readonly #fallback: Fallback;
  /** The streams in flight that were not ended by a deadline or by `cutSignal`. */
  readonly #deadlines: Deadlines<StreamCall>;

  constructor(options: FastPathOptions) {
    const { isExempt, inFlight, errors, fallback } = options;
    this.#isExempt = isExempt;
    this.#inFlight = inFlight;
    this.#errors = errors;
    this.#fallback = fallback;
    this.#deadlines = new Deadlines(options, (call, error) => call.end(error));
  }

  /** Runs a stream. Leaves the streams of exempt services to Connect's handlers, which count them separately. */
  handle(call: StreamCall): void {
    const { desc, shutdownSignal } = call.negotiation.method;
    if (this.#isExempt(desc.parent) || shutdownSignal.aborted) {
      this.#fallback.handle(call.exchange, undefined, call.observation);
    } else void this.#run(call);
  }

  /** Runs a stream, and counts it as in flight until its handler and its response have ended. */
  async #run(call: StreamCall): Promise<void> {
    call.listen();
    // Starts streams one after the other, so that each can queue its first message before the next stream starts.
    // Streams that start together would each create a message before any queued message is counted.
    await setImmediate();
    if (this.#inFlight.isFull && !call.hasEnded) {
      call.finish();
      this.#fallback.handle(call.exchange, undefined, call.observation);
      return;
    }
    this.#inFlight.reserve(1);
    this.#deadlines.add(call);
    try {
      if (call.isLate) call.end(deadlineExceeded());
      const error = await (call.observation?.scope === undefined ? this.#respond(call) : this.#respondInScope(call));
      if (call.isCancelled) call.exchange.reset();
      else await endResponse(call, error);
    } catch (error) {
      this.#fallback.onResponseFailed(call.exchange, error);
      call.observation?.end(Code.Internal);
      call.finish(error);
    } finally {
      call.finish();
      call.requests?.close();
      this.#deadlines.remove(call);
      this.#inFlight.release(1);
    }
  }

  #respondInScope(call: StreamCall): Promise<ConnectError | undefined> {
    return (call.observation as Observation).run(() => this.#respond(call));
  }

  /**
   * Runs the request gate, the interceptors and the handler, and sends their messages. Resolves with the error that ends
   * the response, or with undefined.
   */
  async #respond(call: StreamCall): Promise<ConnectError | undefined> {
    let messages: AsyncIterator<object>;
    let intercepted: StreamResponse | undefined;
    try {
      createValues(call);
      await this.#passGate(call);
      const { impl, interceptors } = call.negotiation.method;
      const requests = new RequestMessages(call, this.#errors);
      if (interceptors.length > 0) intercepted = await interceptStream(call, requests, interceptors);
      const responses = intercepted?.message ?? (await impl(requests, call));
      messages = responses[Symbol.asyncIterator]();
    } catch (error) {
      return this.#fromHandler(call, error);
    }
    const error = await this.#send(call, messages);
    if (error === undefined && intercepted !== undefined) replace(call.responseTrailer, intercepted.trailer);
    return error;
  }

  /**
   * Sends the messages of a handler until they end, or the exchange is cancelled. Resolves with the error of the handler, or
   * of a message that cannot be sent. Messages that the handler yields without waiting leave in one write to the socket.
   */
  async #send(call: StreamCall, messages: AsyncIterator<object>): Promise<ConnectError | undefined> {
    for (;;) {
      let result: IteratorResult<object>;
      try {
        result = await messages.next();
      } catch (error) {
        return this.#fromHandler(call, error);
      }
      if (result.done) return undefined;
      if (call.isCancelled) break;
      let envelope = this.#encode(call, result.value);
      if (envelope instanceof Promise) envelope = await envelope;
      if (envelope instanceof Error) {
        await stop(messages);
        return envelope;
      }
      try {
        start(call);
      } catch (error) {
        await stop(messages);
        throw error;
      }
      const written = call.write(envelope);
      if (written === undefined) continue;
      await written;
      // Keeps the handler of a cancelled call from creating the next message.
      if (call.isCancelled) break;
    }
    await stop(messages);
    return undefined;
  }

  /** Returns the envelope of a message, or the error of a message that cannot be sent. */
  #encode(call: StreamCall, message: object): Piece | Promise<Piece> | ConnectError {
    const { method, output, compression } = call.negotiation;
    try {
      const bytes = output.serialize(create(method.desc.output, message as never));
      return compressEnvelope(bytes, compression, method.compressMinBytes);
    } catch (error) {
      if (!(error instanceof ConnectError)) return this.#fromHandler(call, error);
      rewordLimitError(error);
      return error;
    }
  }

  /**
   * Runs the request gate. Rejects if the gate does, or if the call ends first. In that case the gate still counts as in
   * flight until it ends, so that clients that leave cannot start any number of gates.
   */
  async #passGate(call: StreamCall): Promise<void> {
    if (call.hasEnded) throw call.signal.reason;
    const passed = call.negotiation.method.requestGate?.(call);
    if (passed === undefined) return;
    const { promise, reject } = Promise.withResolvers<never>();
    call.onEnded = () => {
      this.#inFlight.reserve(1);
      const release = (): void => this.#inFlight.release(1);
      passed.then(release, release);
      reject(call.signal.reason);
    };
    try {
      await Promise.race([passed, promise]);
    } finally {
      call.onEnded = undefined;
    }
  }

  #fromHandler(call: StreamCall, error: unknown): ConnectError {
    return this.#errors.toConnectError(error, call, call.abortReason);
  }
}

/** Sends the head of the response, if it was not sent before. */
function start(call: StreamCall): void {
  if (call.isStarted) return;
  call.isStarted = true;
  call.exchange.start(call.negotiation.heads.of(call.touchedHeader));
}

/** Sends the end of the response. Rejects if a header or trailer cannot be sent. */
async function endResponse(call: StreamCall, error: ConnectError | undefined): Promise<void> {
  const { exchange, negotiation } = call;
  call.finish(error);
  start(call);
  const envelope = negotiation.protocol.endEnvelope(call, error);
  if (envelope !== undefined) await call.write(await envelope);
  exchange.end(negotiation.protocol.endTrailers(call, error));
  call.observation?.end(error?.code);
}

/** Tells a handler that no more of its messages are needed. Ignores the errors of the handler. */
async function stop(messages: AsyncIterator<object>): Promise<void> {
  try {
    await messages.return?.();
  } catch {}
}
