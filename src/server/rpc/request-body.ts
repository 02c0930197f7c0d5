/** The bodies of requests, as Connect's handlers read them. */
import { ConnectError } from "@connectrpc/connect";
import { type Exchange, fieldValue } from "../http/exchange.ts";
import { callCancelled } from "./call-errors.ts";
import { wholeEnvelopes } from "./envelope.ts";
import type { BodyPieces, UniversalCall } from "./universal-call.ts";

/**
 * Resolves with the body of a unary call: in one piece if it is small enough to be buffered, or else in pieces as they
 * arrive.
 */
export async function bufferedBody(call: UniversalCall): Promise<AsyncIterable<Uint8Array>> {
  const body = await bufferBody(call, call.procedure.options.bodyMaxBytes);
  return body === undefined ? bodyInPieces(call) : onePiece(body);
}

/**
 * Returns the `body` option of UniversalCallOptions for a body that was buffered already. The returned function also
 * reserves memory for the body, if there is room.
 */
export function knownBody(body: Uint8Array): (call: UniversalCall) => BodyPieces {
  return ({ memory }) => {
    memory.tryReserve(body.length);
    return onePiece(body);
  };
}

/** Returns the pieces of a body as they arrive. A body of envelopes goes through `wholeEnvelopes`. */
export function bodyInPieces({ exchange, signal, procedure, memory }: UniversalCall): AsyncIterable<Uint8Array> {
  const pieces = untilAborted(exchange.body, signal);
  return isUnaryOfConnect(exchange) ? pieces : wholeEnvelopes(pieces, procedure.options.readMaxBytes, memory);
}

/** True if the body is a message without envelope. */
function isUnaryOfConnect({ request }: Exchange): boolean {
  return /^application\/(proto|json)\b/i.test(fieldValue(request.fields, "content-type") ?? "");
}

/**
 * Buffers the body of a call, and reserves memory for it, if there is room. Resolves with the body, or with undefined
 * if it exceeds `maxBytes` and must be read in pieces. Rejects if the call ends first.
 */
function bufferBody({ exchange, signal, memory }: UniversalCall, maxBytes: number): Promise<Uint8Array | undefined> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>();
  if (signal.aborted) return Promise.reject(signal.reason);
  exchange.bufferBody(
    maxBytes,
    (bytes) => {
      memory.tryReserve(bytes.length);
      resolve(bytes);
    },
    () => resolve(undefined),
  );
  return unlessAborted(promise, signal);
}

async function* onePiece(body: Uint8Array): AsyncIterable<Uint8Array> {
  if (body.length > 0) yield body;
}

/**
 * Yields the pieces of a body. Throws the reason of the signal when it aborts, and `canceled` if reading the body
 * fails, except with a ConnectError.
 */
async function* untilAborted(body: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncIterable<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await unlessAborted(pieces.next(), signal);
      if (done) return;
      yield value;
    }
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    throw cause instanceof ConnectError ? cause : callCancelled(cause);
  } finally {
    void pieces.return?.(); // not awaited, because it waits for a pending `next`
  }
}

async function unlessAborted<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const onAbort = (): void => reject(signal.reason);
  result.then(resolve, reject);
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
