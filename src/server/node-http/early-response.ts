/** Early responses (http/early-response.ts) over Node's request and response objects. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import type { Socket } from "node:net";
import { EarlyResponse } from "../http/early-response.ts";
import { fieldValue, type RequestHead } from "../http/exchange.ts";
import { discardMessage } from "../http/limit-messages.ts";
import type { Limits, OnLimit } from "../limits/limits.ts";
import { processNow } from "../limits/process-clock.ts";
import { lingeringClose } from "../listener/lingering-close.ts";

/** An error code of HTTP/2 (RFC 9113, 7). Importing it from node:http2 would load that module for HTTP/1.1 too. */
const NO_ERROR = 0x0;

/** True if the whole request was received, or the request has no body. */
export function hasEnded(req: IncomingMessage, res: ServerResponse, head: RequestHead): boolean {
  // A request without a socket, as Fastify's `inject` makes it, has no `complete`.
  return (
    req.complete ||
    req.readableEnded ||
    streamOf(res)?.endAfterHeaders ||
    !(streamOf(res) !== undefined || hasBody(head))
  );
}

/** True if an HTTP/1.1 request has a body (RFC 9112, 6.3). */
export function hasBody({ fields }: RequestHead): boolean {
  const length = fieldValue(fields, "content-length") ?? "0";
  return length !== "0" || fieldValue(fields, "transfer-encoding") !== undefined;
}

/**
 * Holds a response until its request is complete, or a limit of early responses is reached. Meanwhile discards the rest
 * of the request. Calls `send` once, or never if the response is closed first. Returns a function that calls `send`
 * immediately. The function must not be called after `send`.
 */
export function holdResponse(req: IncomingMessage, res: ServerResponse, limits: Limits, send: () => void): () => void {
  const early = new EarlyResponse(limits, processNow());
  const timer = startTimer(Math.min(limits.earlyResponseMs, limits.earlyResponseIdleMs), sendNow);
  function sendNow(): void {
    stop();
    send();
  }
  function stop(): void {
    clearTimeout(timer);
    req.off("data", onData).off("end", sendNow);
    res.off("close", stop);
  }
  function onData(piece: Buffer): void {
    const now = processNow();
    early.received(piece.length, now);
    if (early.isDue(now)) sendNow();
    else timer?.refresh();
  }
  res.on("close", stop);
  req.on("data", onData).on("end", sendNow).resume();
  return sendNow;
}

/**
 * Reads and discards the rest of a request after its response. Ends the stream or connection if the rest exceeds
 * discardedBytes. Over HTTP/2, also ends the stream after discardIdleMs without bytes. Calls `done` once, when the
 * request is closed.
 */
export function discardRest(
  req: IncomingMessage,
  res: ServerResponse,
  { limits, onLimit }: { readonly limits: Limits; readonly onLimit: OnLimit },
  done: () => void,
): void {
  const early = new EarlyResponse(limits, processNow());
  const stream = streamOf(res);
  const idle = stream && startTimer(limits.discardIdleMs, () => stream.close(NO_ERROR));
  const permitDestroy = stream === undefined ? deferDestroy(req.socket) : undefined;
  req.on("close", () => {
    clearTimeout(idle);
    permitDestroy?.();
    done();
  });
  req.on("data", function onData(piece: Buffer): void {
    const now = processNow();
    early.received(piece.length, now);
    idle?.refresh();
    if (early.exceededLimit(now) !== "discardedBytes") return;
    req.off("data", onData);
    onLimit("discardedBytes", discardMessage("discardedBytes", limits));
    if (stream !== undefined) stream.close(NO_ERROR);
    // This response still waits for the response to an earlier request.
    else if (res.socket === null && !res.writableFinished) req.destroy();
    else lingeringClose(req.socket, "");
  });
}

/**
 * Closes an HTTP/1.1 connection after its final response `res`, without waiting for the rest of the request. Does nothing
 * over HTTP/2, or if `res` has no socket.
 */
export function closeAfter(res: ServerResponse): void {
  if (streamOf(res) !== undefined || res.socket === null) return;
  const { socket } = res;
  deferDestroy(socket);
  lingeringClose(socket, "");
}

/** Sends a response without a body on a connection without a response in progress, and closes the connection. */
export function closeWithStatus(socket: Socket, status: number): void {
  const { STATUS_CODES } = process.getBuiltinModule("node:http");
  lingeringClose(socket, `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n\r\n`);
}

/**
 * Prevents Node from destroying the socket after the final response. Otherwise a client that is still sending its request
 * could lose that response. Returns a function that permits Node to destroy the socket again. If Node has tried meanwhile,
 * the function destroys the socket.
 */
function deferDestroy(socket: Socket): () => void {
  let isDue = false;
  socket.destroySoon = () => {
    isDue = true;
  };
  return () => {
    Reflect.deleteProperty(socket, "destroySoon");
    if (isDue) socket.destroySoon();
  };
}

/** Returns the stream of an HTTP/2 response, or undefined over HTTP/1.1. */
export function streamOf(res: ServerResponse): Http2ServerResponse["stream"] | undefined {
  return (res as { stream?: Http2ServerResponse["stream"] }).stream;
}

/** Starts a timer that does not keep the process alive. If `ms` is Infinity, starts none and returns undefined. */
function startTimer(ms: number, expire: () => void): NodeJS.Timeout | undefined {
  return Number.isFinite(ms) ? setTimeout(expire, ms).unref() : undefined;
}
