/** An interceptor for clients on connect-node: retries calls that a server refused without processing them. */
import { ConnectError, type Interceptor } from "@connectrpc/connect";

/** The maximum number of times that a call is sent, including the first. */
const MAX_TRIES = 3;

/**
 * Retries a unary call that the server certainly did not process, up to two times. Pass the interceptor to a transport of
 * connect-node: `createConnectTransport({ ..., interceptors: [retryRefused] })`. You may copy this file.
 *
 * **Problem.** A server or proxy sends GOAWAY when it shuts down or when a connection reaches its maximum age.
 * Requests that the client sent before GOAWAY arrived are reset with REFUSED_STREAM. connect-node opens a new connection for
 * later calls, but fails the refused calls with the code `internal`.
 *
 * **Safety.** REFUSED_STREAM guarantees that the request was not processed (RFC 9113, 8.7). So the retry is safe
 * for every method, and gRPC's own clients do the same.
 *
 * **Limits.** If the third try is refused too, the interceptor rethrows the error. Any other error is rethrown
 * immediately. Streams are not retried, because their messages cannot be read twice. Calls that were cancelled, or have
 * exceeded their deadline, are not retried either.
 */
export const retryRefused: Interceptor = (next) => async (request) => {
  for (let tries = 1; ; tries++) {
    try {
      return await next(request);
    } catch (error) {
      if (request.stream || request.signal.aborted || tries === MAX_TRIES || !isRefused(error)) throw error;
    }
  }
};

/** True if Node's HTTP/2 client reports REFUSED_STREAM. Errors that a server sends in a response never have this `cause`. */
function isRefused(error: unknown): boolean {
  const { cause } = ConnectError.from(error);
  const { code, message = "" } = (cause ?? {}) as NodeJS.ErrnoException;
  return code === "ERR_HTTP2_STREAM_ERROR" && message.includes("NGHTTP2_REFUSED_STREAM");
}
