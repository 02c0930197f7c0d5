/** Reads the message in an envelope of a stream. */
import { fromBinary, fromJsonString, type Message, type Registry } from "@bufbuild/protobuf";
import { FRAME_PREFIX_BYTES } from "../annotate/frames.ts";
import type { StreamOutcome } from "./call.ts";
import { isBinary } from "./protocol.ts";
import type { ReceivedEnvelope } from "./stream-recorder.ts";

/** Returns the message, or the error of an envelope that does not have a valid message. */
export function readEnvelope(
  { method, protocol }: StreamOutcome,
  { bytes }: ReceivedEnvelope,
  registry: Registry,
): Message | Error {
  const content = bytes.subarray(FRAME_PREFIX_BYTES);
  if (bytes[0] !== 0) return new Error(`read a message: flag ${bytes[0]} is not that of an uncompressed message`);
  try {
    if (isBinary(protocol)) return fromBinary(method.output, content);
    return fromJsonString(method.output, new TextDecoder("utf-8", { fatal: true }).decode(content), { registry });
  } catch (error) {
    return error as Error;
  }
}
