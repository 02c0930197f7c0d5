/** Errors of messages that are over a limit: each says what was tried, the value and the limit, alike in every protocol. */
import { Code, ConnectError } from "@connectrpc/connect";
import type { LimitName } from "../limits/limits.ts";

/** The limits that errors made here are about. ConnectError answers instanceof for all classes that extend it. */
const limits = new WeakMap<ConnectError, LimitName>();

/** Makes an error about the limit of a name. */
export function messageLimitError(
  limit: LimitName,
  message: string,
  code: Code = Code.ResourceExhausted,
): ConnectError {
  const error = new ConnectError(message, code);
  limits.set(error, limit);
  return error;
}

/** Makes the error of a message of over `limit` bytes after decompression, of which no more was decompressed. */
export function decompressedTooLarge(limit: number): ConnectError {
  return messageLimitError("messageBytes", tooLarge("decompressed message", undefined, limit));
}

/** Makes the error of a message that cannot be kept because `exchange.tryReserve` returned false. */
export function noRoomForMessage(): ConnectError {
  return messageLimitError("bufferedBytes", "hold a message: the room for messages is used up", Code.Unavailable);
}

/** The texts of Connect (protocol/limit-io.js), which name options that neither a caller nor an operator knows. */
const CONNECT_TEXT = /^message size (?:(\d+) )?is larger than configured (read|write)MaxBytes (\d+)$/;

/**
 * Puts our own text in the place of Connect's, if the error is that of a message over its size. Returns the name of the
 * limit that was met, if the table has it.
 */
export function renameLimit(error: ConnectError): LimitName | undefined {
  const [, size, direction, limit] = CONNECT_TEXT.exec(error.rawMessage) ?? [];
  if (direction !== undefined) {
    const what = direction === "read" ? "message" : "response message";
    const text = tooLarge(what, size, limit as string);
    Object.assign(error, { rawMessage: text, message: `[resource_exhausted] ${text}` });
    if (direction === "read") limits.set(error, "messageBytes");
  }
  return limits.get(error);
}

function tooLarge(what: string, size: string | undefined, limit: string | number): string {
  return `${what}${size === undefined ? "" : ` of ${size} bytes`} exceeds ${limit} bytes`;
}
