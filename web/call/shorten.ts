/** A request whose message ends too early, as no client would send it: what a server must refuse. */
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { FRAME_HEAD } from "../annotate/frames.ts";
import type { SentRequest } from "./recorder.ts";

/** A tag, of field 1, that no value follows. */
const LONE_TAG = 0x08;

/** The message without its last byte; in place of an empty one, a lone tag. */
export function shortenMessage(message: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return message.length === 0 ? Uint8Array.of(LONE_TAG) : message.slice(0, -1);
}

/** The request with its message shortened. */
export function shorten(request: SentRequest): SentRequest {
  const { method, target, headers, body } = request;
  if (method === "GET") return { ...request, target: shortenQuery(target) };
  const isFramed = headers.some(([name, value]) => name === "content-type" && value.includes("grpc"));
  const message = body.subarray(isFramed ? FRAME_HEAD : 0);
  const short = shortenMessage(message);
  return { ...request, body: isFramed ? new Uint8Array(encodeEnvelope(0, short)) : short };
}

function shortenQuery(target: string): string {
  const [path, query] = target.split("?", 2);
  const parameters = new URLSearchParams(query);
  parameters.set("message", (parameters.get("message") ?? "").slice(0, -1));
  return `${path}?${parameters}`;
}
