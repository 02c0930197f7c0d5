/** How many bytes a call's message takes in each protocol, and how many its framing. */
import { type Message, toBinary } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { bodyParts } from "../annotate/body.ts";
import { FRAME_HEAD } from "../annotate/frames.ts";
import type { Part } from "../annotate/part.ts";
import { targetParts } from "../annotate/target.ts";
import type { Outcome } from "./call.ts";
import type { Header, ReceivedAnswer, SentRequest } from "./recorder.ts";
import { shortenMessage } from "./shorten.ts";

export interface Size {
  readonly message: number;
  /** Of what stands around the message in the body or in the query, or is an error in its place. */
  readonly framing: number;
}

/** Of the request as it was sent: its body and its query. */
export function requestParts({ method }: Outcome, request: SentRequest): { target: Part[]; body: Part[] } {
  return {
    target: targetParts(request.target),
    body: bodyParts(headerOf(request.headers, "content-type"), request.body, method.input),
  };
}

export function answerParts({ method }: Outcome, answer: ReceivedAnswer): Part[] {
  return bodyParts(headerOf(answer.headers, "content-type"), answer.body, method.output);
}

export function requestSize(outcome: Outcome, request: SentRequest): Size {
  const { target, body } = requestParts(outcome, request);
  return sizeOf([...target.filter(({ what }) => what.kind !== "procedure"), ...body]);
}

/** Of an error nothing is the message: Connect writes it in the message's place, gRPC-Web in the trailers. */
export function answerSize(outcome: Outcome, answer: ReceivedAnswer): Size {
  const { message, framing } = sizeOf(answerParts(outcome, answer));
  return answer.status === 200 ? { message, framing } : { message: 0, framing: message + framing };
}

/** What gRPC would send, and a browser cannot: the input in a frame, shortened as the call's was. */
export function grpcFrame({ method, input, isShortened }: Outcome): Uint8Array {
  const message = toBinary(method.input, input);
  return encodeEnvelope(0, isShortened ? shortenMessage(message) : message);
}

/** Of gRPC: the frame there; back, one with the output, where there is one. */
export function grpcSizes(outcome: Outcome): { request: Size; answer: Size } {
  const { method, output } = outcome;
  const request = { message: grpcFrame(outcome).length - FRAME_HEAD, framing: FRAME_HEAD };
  if (output instanceof ConnectError) return { request, answer: { message: 0, framing: 0 } };
  return { request, answer: { message: toBinary(method.output, output as Message).length, framing: FRAME_HEAD } };
}

function sizeOf(parts: readonly Part[]): Size {
  const size = { message: 0, framing: 0 };
  for (const { start, end, what } of parts) size[FRAMING.test(what.kind) ? "framing" : "message"] += end - start;
  return size;
}

const FRAMING = /^(flag|frame-length|trailer-.*|query-mark|parameter-.*)$/;

function headerOf(headers: readonly Header[], name: string): string {
  return headers.find((header) => header[0] === name)?.[1] ?? "";
}
