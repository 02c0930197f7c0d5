/** One call that Connect's universal handler answers, from its exchange to the exchange's end. */
import type { ContextValues } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { urlOf } from "./authority.ts";
import { callerGone } from "./call-ends.ts";
import type { Exchange } from "./exchange.ts";
import { plainGrpcMessage } from "./grpc-message.ts";
import { shortenTimeouts } from "./long-timeouts.ts";
import { contextValuesOf } from "./peer.ts";
import { acceptPost } from "./refusals.ts";
import type { Waiting } from "./unary/deadlines.ts";

/** A request's body, until the caller is gone. */
export type RequestBody = (gone: AbortSignal) => AsyncIterable<Uint8Array>;

export class UniversalCall implements Waiting<UniversalCall> {
  readonly exchange: Exchange;
  /** When it is given up, in ms of performance.now(); Infinity for never. */
  readonly deadline: number;
  next: UniversalCall | undefined;
  previous: UniversalCall | undefined;
  readonly values: ContextValues;
  readonly #abort = new AbortController();
  #isAbandoned = false;

  /** deadlineMs is how long it may take, Infinity for ever. */
  constructor(exchange: Exchange, deadlineMs: number) {
    this.exchange = exchange;
    this.deadline = exchange.startedAt + deadlineMs;
    this.values = contextValuesOf(exchange);
    exchange.onAbandoned = () => {
      this.#isAbandoned = true;
      this.end(callerGone());
    };
  }

  /** Ends it for its handler, and where that was not done yet, for its caller. */
  end(reason: unknown): void {
    this.#abort.abort(reason);
  }

  /** Ends it together with a signal. */
  endWith(signal: AbortSignal): void {
    signal.addEventListener("abort", () => this.end(signal.reason));
  }

  /** Settles when all of the answer is sent. Rejects where it cannot be. */
  async answer(procedure: UniversalHandler, body: RequestBody): Promise<void> {
    const { exchange } = this;
    const { signal } = this.#abort;
    const { httpVersion, method, fields } = exchange.request;
    const header = new Headers(fields as [string, string][]);
    shortenTimeouts(header);
    const response = await procedure({
      httpVersion,
      url: urlOf(exchange.request),
      method,
      header,
      body: body(signal),
      signal,
      contextValues: this.values,
    });
    const { status, trailer } = response;
    const more = status === 415 ? acceptPost(procedure.method) : [];
    exchange.start({ status, fields: [...(response.header ?? []), ...more] });
    for await (const piece of response.body ?? []) {
      if (this.#isAbandoned) return exchange.reset();
      const writable = exchange.write(piece);
      if (writable !== undefined) await writable;
    }
    exchange.end(plainGrpcMessage([...(trailer ?? [])]));
  }
}

/** The body in one piece, where it has no more than so many bytes. Nothing is waited for until it is asked for. */
export async function* gathering(exchange: Exchange, maxBytes: number, gone: AbortSignal): AsyncIterable<Uint8Array> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>();
  if (gone.aborted) throw gone.reason;
  exchange.gather(maxBytes, resolve, () => resolve(undefined));
  const whole = await unlessGone(promise, gone);
  yield* whole === undefined ? inPieces(exchange.body, gone) : inOne(whole);
}

export async function* inOne(body: Uint8Array): AsyncIterable<Uint8Array> {
  if (body.length > 0) yield body;
}

/** The body as it comes, with its failure as the error that Connect has for it; and no longer than its call goes on. */
export async function* inPieces(body: AsyncIterable<Uint8Array>, gone: AbortSignal): AsyncIterable<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await unlessGone(pieces.next(), gone);
      if (done) return;
      yield value;
    }
  } catch (cause) {
    throw gone.aborted ? gone.reason : callerGone(cause);
  } finally {
    void pieces.return?.(); // which waits for a piece that is asked for, if one is
  }
}

async function unlessGone<T>(result: Promise<T>, gone: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const onAbort = (): void => reject(gone.reason);
  result.then(resolve, reject);
  gone.addEventListener("abort", onAbort);
  if (gone.aborted) onAbort();
  try {
    return await promise;
  } finally {
    gone.removeEventListener("abort", onAbort);
  }
}
