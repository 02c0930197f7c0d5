/** Annotates the body of a request or a response by its content type. */
import type { DescMessage } from "@bufbuild/protobuf";
import { frameParts } from "./frames.ts";
import { jsonParts } from "./json.ts";
import { messageParts } from "./message.ts";
import type { Part } from "./part.ts";

/** Returns the parts of the body. A body of an unknown type is one opaque part. Throws nothing. */
export function bodyParts(contentType: string, body: Uint8Array, message: DescMessage): Part[] {
  if (/^application\/json\b/i.test(contentType)) return jsonParts(body);
  if (/^application\/proto\b/i.test(contentType)) return messageParts(body, message);
  if (/^application\/(grpc(-web)?(\+proto)?|connect\+proto)(;|$)/i.test(contentType)) {
    return frameParts(body, (content) => messageParts(content, message));
  }
  if (/^application\/connect\+json(;|$)/i.test(contentType)) return frameParts(body, jsonParts);
  return body.length === 0 ? [] : [{ start: 0, end: body.length, annotation: { kind: "opaque" } }];
}

/** True if a body of this content type consists of frames, as in streams of Connect and in every call of gRPC. */
export function isEnveloped(contentType: string): boolean {
  return /^application\/(grpc|connect\+)/i.test(contentType);
}
