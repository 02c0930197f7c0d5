/** A request's or answer's body as parts, by its media type. */
import type { DescMessage } from "@bufbuild/protobuf";
import { frameParts } from "./frames.ts";
import { jsonParts } from "./json.ts";
import { messageParts } from "./message.ts";
import type { Part } from "./part.ts";

/** Every byte of the body, in one part each; a body of a type that is not known is one part. It never throws. */
export function bodyParts(contentType: string, body: Uint8Array, message: DescMessage): Part[] {
  if (/^application\/json\b/i.test(contentType)) return jsonParts(body);
  if (/^application\/proto\b/i.test(contentType)) return messageParts(body, message);
  if (/^application\/grpc(-web)?(\+proto)?(;|$)/i.test(contentType)) return frameParts(body, message);
  return body.length === 0 ? [] : [{ start: 0, end: body.length, what: { kind: "opaque" } }];
}
