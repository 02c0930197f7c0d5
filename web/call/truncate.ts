/** Cuts off the end of a request's message, to show how the server rejects it. */
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { isEnveloped } from "../annotate/body.ts";
import { FRAME_PREFIX_BYTES } from "../annotate/frames.ts";
import type { SentRequest } from "./recorder.ts";

/** The tag of field 1 with wire type varint, without the value that must follow it. */
const LONE_TAG = 0x08;

/** Returns the message without its last byte. Returns a tag without a value if the message is empty. */
export function truncateMessage(message: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return message.length === 0 ? Uint8Array.of(LONE_TAG) : message.slice(0, -1);
}

/** Returns the request with its message truncated. A frame's length is that of the truncated message. */
export function truncate(request: SentRequest): SentRequest {
  const { method, target, headers, body } = request;
  if (method === "GET") return { ...request, target: truncateQuery(target) };
  const isFramed = headers.some(([name, value]) => name === "content-type" && isEnveloped(value));
  const message = truncateMessage(body.subarray(isFramed ? FRAME_PREFIX_BYTES : 0));
  return { ...request, body: isFramed ? new Uint8Array(encodeEnvelope(0, message)) : message };
}

function truncateQuery(target: string): string {
  const [path, query] = target.split("?", 2);
  const parameters = new URLSearchParams(query);
  parameters.set("message", (parameters.get("message") ?? "").slice(0, -1));
  return `${path}?${parameters}`;
}
