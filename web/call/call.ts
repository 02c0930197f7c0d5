/** One call by the real client, and all that can be known of it. */
import type { DescMethodUnary, Message } from "@bufbuild/protobuf";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createTransport, type Protocol } from "./protocol.ts";
import { createRecorder, type ReceivedAnswer, type SentRequest } from "./recorder.ts";
import { shorten } from "./shorten.ts";

export interface Call {
  readonly protocol: Protocol;
  readonly method: DescMethodUnary;
  readonly input: Message;
  /** Whether the message was made to end too early, after the client had made it. */
  readonly isShortened: boolean;
}

export interface Outcome extends Call {
  /** The answer's message, or the error. */
  readonly output: Message | ConnectError;
  readonly milliseconds: number;
  readonly request: SentRequest | undefined;
  readonly answer: ReceivedAnswer | undefined;
}

/** Makes the call to an origin. It never rejects: an error is an outcome. */
export async function makeCall(call: Call, origin: string): Promise<Outcome> {
  const { protocol, method, input, isShortened } = call;
  const recorder = createRecorder(isShortened ? shorten : undefined);
  const client = createClient(method.parent, createTransport(protocol, origin, recorder.fetch));
  const start = performance.now();
  const output = await (client[method.localName] as unknown as (input: Message) => Promise<Message>)(input).catch(
    ConnectError.from,
  );
  const milliseconds = performance.now() - start;
  return { ...call, output, milliseconds, request: recorder.request, answer: recorder.answer };
}
