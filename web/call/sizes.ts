/** The sizes of a call in each protocol: the bytes of the messages, and the bytes around them. */
import { type Message, toBinary } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { FRAME_PREFIX_BYTES } from "../annotate/frames.ts";
import type { Part } from "../annotate/part.ts";
import type { UnaryOutcome } from "./call.ts";
import { requestParts, responseParts } from "./parts.ts";
import type { ReceivedResponse, SentRequest } from "./recorder.ts";
import { truncateMessage } from "./truncate.ts";

/** Bytes of a body, and of the query of a GET. Headers and the path do not count. */
export interface Size {
  readonly message: number;
  /** The bytes around the message. If the response is an error, all of its bytes. */
  readonly framing: number;
}

/** Returns the size of the sent body and query, without the path. */
export function requestSize(outcome: UnaryOutcome, request: SentRequest): Size {
  const { target, body } = requestParts(outcome, request);
  return sizeOf([...target.filter(({ annotation }) => annotation.kind !== "procedure"), ...body]);
}

/**
 * Returns the size of the response. All bytes of an error are framing: Connect sends it in the body, gRPC-Web in the
 * trailers.
 */
export function responseSize(outcome: UnaryOutcome, response: ReceivedResponse): Size {
  const { message, framing } = sizeOf(responseParts(outcome, response));
  return response.status === 200 ? { message, framing } : { message: 0, framing: message + framing };
}

/** Encodes the input as a gRPC frame. It cannot be recorded, since browsers cannot send gRPC. */
export function grpcFrame({ method, input, isTruncated }: UnaryOutcome): Uint8Array {
  const message = toBinary(method.input, input);
  return encodeEnvelope(0, isTruncated ? truncateMessage(message) : message);
}

/** Returns the sizes of the call in gRPC. Input and output have one frame each; an error does not have a frame. */
export function grpcSizes(outcome: UnaryOutcome): { request: Size; response: Size } {
  const { method, output } = outcome;
  const request = { message: grpcFrame(outcome).length - FRAME_PREFIX_BYTES, framing: FRAME_PREFIX_BYTES };
  if (output instanceof ConnectError) return { request, response: { message: 0, framing: 0 } };
  const message = toBinary(method.output, output as Message).length;
  return { request, response: { message, framing: FRAME_PREFIX_BYTES } };
}

function sizeOf(parts: readonly Part[]): Size {
  const size = { message: 0, framing: 0 };
  for (const { start, end, annotation } of parts) {
    size[FRAMING.test(annotation.kind) ? "framing" : "message"] += end - start;
  }
  return size;
}

/** Matches the kinds of parts outside a message. */
const FRAMING = /^(flag|frame-length|trailer-.*|query-mark|parameter-.*)$/;
