/** The parts of a server that the fallback uses. */
import { pathWithoutQuery, type RequestHead } from "../http/exchange.ts";
import type { Limits, OnLimit } from "../limits/limits.ts";
import { errorText } from "../log/entry.ts";
import { quote } from "../log/quote.ts";
import type { ThrottledLog } from "../log/throttled-log.ts";

export interface FallbackContext {
  readonly limits: Limits;
  readonly onLimit: OnLimit;
  readonly throttledLog: ThrottledLog;
}

/** Logs an error of the application. Leaves out the query, which may have credentials. */
export function logError(
  { throttledLog }: FallbackContext,
  request: Pick<RequestHead, "method" | "path">,
  error: unknown,
): void {
  const { method } = request;
  const path = quote(pathWithoutQuery(request.path));
  const message = `respond to ${method} ${path}: ${errorText(error)}`;
  throttledLog("", { level: "error", event: "fallback_error", message, method, path });
}
