/** Errors with which the server itself ends calls: deadlines, cancellation, and limits on messages. */
import { Code, ConnectError } from "@connectrpc/connect";
import type { LimitName } from "../limits/limits.ts";

/** Creates the error of a call that is not finished by its deadline. */
export function deadlineExceeded(): ConnectError {
  return new ConnectError("the operation timed out", Code.DeadlineExceeded);
}

/** Creates the error of a call whose client cancelled it or disconnected. */
export function callCancelled(cause?: unknown): ConnectError {
  return new ConnectError("the caller went away", Code.Canceled, undefined, undefined, cause);
}

/** The errors with which the calls of a connection are cut. */
const cuts = new WeakSet<ConnectError>();

/** Creates the error of a call that took too long after its connection had reached its maximum age. */
export function connectionTooOld(): ConnectError {
  const error = new ConnectError("the connection has reached its maximum age", Code.Unavailable);
  cuts.add(error);
  return error;
}

/** True if `reason` ends a call even if its handler still runs: a deadline, or the cut of its connection. */
export function endsRunningCall(reason: unknown): boolean {
  return reason instanceof ConnectError && (reason.code === Code.DeadlineExceeded || cuts.has(reason));
}

/** The limit that each error is about. A subclass for each limit would not work, because ConnectError overrides `instanceof`. */
const limits = new WeakMap<ConnectError, LimitName>();

/** Creates the error of a message that is rejected because of `limit`. */
export function messageLimitError(
  limit: LimitName,
  message: string,
  code: Code = Code.ResourceExhausted,
): ConnectError {
  const error = new ConnectError(message, code);
  limits.set(error, limit);
  return error;
}

/** Creates the error of a message that is larger than `maxBytes` after decompression. */
export function decompressedTooLarge(maxBytes: number): ConnectError {
  return messageLimitError("messageBytes", tooLarge("decompressed message", undefined, maxBytes));
}

/** Creates the error of a message for which `tryReserve` found no room. `tryReserve` has reported the limit already. */
export function noRoomForMessage(): ConnectError {
  return new ConnectError("hold a message: the memory for messages is used up", Code.Unavailable);
}

/** Matches Connect's texts (protocol/limit-io.js), which name options that clients and operators do not know. */
const CONNECT_TEXT = /^message size (?:(\d+) )?is larger than configured (read|write)MaxBytes (\d+)$/;

/**
 * If `error` is Connect's error of a message that is too large, replaces its text by the server's text. Returns the limit
 * that was exceeded, or undefined if the error is not about a limit of the server.
 */
export function rewordLimitError(error: ConnectError): LimitName | undefined {
  const [, size, direction, maxBytes] = CONNECT_TEXT.exec(error.rawMessage) ?? [];
  if (direction !== undefined) {
    const subject = direction === "read" ? "message" : "response message";
    const text = tooLarge(subject, size, maxBytes as string);
    Object.assign(error, { rawMessage: text, message: `[resource_exhausted] ${text}` });
    if (direction === "read") limits.set(error, "messageBytes");
  }
  return limits.get(error);
}

function tooLarge(subject: string, bytes: string | undefined, maxBytes: string | number): string {
  return `${subject}${bytes === undefined ? "" : ` of ${bytes} bytes`} exceeds ${maxBytes} bytes`;
}
