/** Annotates a recorded request and response. */
import { bodyParts } from "../annotate/body.ts";
import type { Part } from "../annotate/part.ts";
import { requestTargetParts } from "../annotate/request-target.ts";
import type { Outcome, StreamOutcome } from "./call.ts";
import type { Header, ReceivedResponse, SentRequest } from "./recorder.ts";
import type { ReceivedEnvelope } from "./stream-recorder.ts";

/** Returns the parts of the target and the body that were sent. */
export function requestParts({ method }: Outcome, request: SentRequest): { target: Part[]; body: Part[] } {
  return {
    target: requestTargetParts(request.target),
    body: bodyParts(contentType(request.headers), request.body, method.input),
  };
}

/** Returns the parts of the response's body. */
export function responseParts({ method }: Outcome, response: ReceivedResponse): Part[] {
  return bodyParts(contentType(response.headers), response.body, method.output);
}

/** Returns the parts of an envelope of a stream. */
export function envelopeParts({ method, response }: StreamOutcome, { bytes }: ReceivedEnvelope): Part[] {
  return bodyParts(contentType(response?.headers ?? []), bytes, method.output);
}

function contentType(headers: readonly Header[]): string {
  return headers.find(([name]) => name === "content-type")?.[1] ?? "";
}
