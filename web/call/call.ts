/** Makes one call with Connect's client, and records it. */
import type { DescMethodUnary, Message, Registry } from "@bufbuild/protobuf";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createTransport, type Protocol } from "./protocol.ts";
import { createRecorder, type ReceivedResponse, type SentRequest } from "./recorder.ts";
import { truncate } from "./truncate.ts";

export interface Call {
  readonly protocol: Protocol;
  readonly method: DescMethodUnary;
  readonly input: Message;
  /** True if the encoded message is truncated. */
  readonly isTruncated: boolean;
}

export interface Outcome extends Call {
  /** The response's message, or the error. */
  readonly output: Message | ConnectError;
  readonly milliseconds: number;
  /** Undefined if nothing was sent. */
  readonly request: SentRequest | undefined;
  /** Undefined if the response did not arrive completely. */
  readonly response: ReceivedResponse | undefined;
}

export interface CallOptions {
  /** The types that a google.protobuf.Any can hold in JSON. */
  readonly registry: Registry;
}

/** Makes the call to `origin`. The promise never rejects: an error becomes the `output`. */
export async function makeCall(call: Call, origin: string, { registry }: CallOptions): Promise<Outcome> {
  const { protocol, method, input, isTruncated } = call;
  const recorder = createRecorder(isTruncated ? truncate : undefined);
  const client = createClient(method.parent, createTransport(protocol, origin, recorder.fetch, registry));
  const start = performance.now();
  const output = await (client[method.localName] as unknown as (input: Message) => Promise<Message>)(input).catch(
    ConnectError.from,
  );
  const milliseconds = performance.now() - start;
  return { ...call, output, milliseconds, request: recorder.request, response: recorder.response };
}
