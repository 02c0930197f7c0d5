/** An interceptor for clients on connect-node: sends a call again that the server refused before it ran. */
import { ConnectError, type Interceptor } from "@connectrpc/connect";

/** The number of times that a call is sent at most. */
const MAX_TRIES = 3;

/**
 * Sends a unary call again if the server surely did not process it. Pass it to a transport of connect-node:
 * `createConnectTransport({ ..., interceptors: [retryRefused] })`. The file may be copied.
 *
 * A server or proxy that shuts down, or that limits the age of a connection, sends GOAWAY. The requests that cross it
 * are refused with REFUSED_STREAM, which says that none of them was processed (RFC 9113, 8.7). Sending them again is
 * safe for every method, and gRPC's own clients do so. connect-node opens a new connection for later calls, but fails
 * the refused ones with the code `internal`.
 *
 * Passes on the error of the last of three tries, and at once: an error of any other kind, an answer of the server, a
 * call whose time is over or that was cancelled, and a stream, whose messages cannot be read twice.
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

/** True for the error of Node's HTTP/2 client, which no error that a server sends has as its cause. */
function isRefused(error: unknown): boolean {
  const { cause } = ConnectError.from(error);
  const { code, message = "" } = (cause ?? {}) as NodeJS.ErrnoException;
  return code === "ERR_HTTP2_STREAM_ERROR" && message.includes("NGHTTP2_REFUSED_STREAM");
}
