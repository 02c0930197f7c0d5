/** Why a call ends before its handler does, as its caller and its handler are told. */
import { Code, ConnectError } from "@connectrpc/connect";

export function deadlineExceeded(): ConnectError {
  return new ConnectError("the operation timed out", Code.DeadlineExceeded);
}

export function callerGone(cause?: unknown): ConnectError {
  return new ConnectError("the caller went away", Code.Canceled, undefined, undefined, cause);
}
