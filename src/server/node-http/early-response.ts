/** Responses that are complete before their request, over Node's (req, res). */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import type { Socket } from "node:net";
import { discardMessage, EarlyResponse } from "../http/early-response.ts";
import { fieldValue, type RequestHead } from "../http/exchange.ts";
import type { Limits, OnLimit } from "../limits/limits.ts";
import { processNow } from "../limits/process-clock.ts";
import { lingeringClose } from "../listener/lingering-close.ts";

/** HTTP/2's error code (RFC 9113, 7). */
const NO_ERROR = 0x0;

/** True if all of the request came, or it has no body. */
export function hasEnded(req: IncomingMessage, res: ServerResponse, head: RequestHead): boolean {
  return req.complete || streamOf(res)?.endAfterHeaders || !(streamOf(res) !== undefined || hasBody(head));
}

/** True if a request over HTTP/1.1 has a body (RFC 9112, 6.3). */
export function hasBody({ fields }: RequestHead): boolean {
  const length = fieldValue(fields, "content-length") ?? "0";
  return length !== "0" || fieldValue(fields, "transfer-encoding") !== undefined;
}

/**
 * Waits for the request's end, as long as a response may, and discards what comes. Then calls `send`, once, unless the
 * connection is lost. Returns a function that sends at once; it does nothing once the response was sent.
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

/** Reads and discards the rest of a request after its response, within bounds; `done` is called at its end. */
export function discardRest(
  req: IncomingMessage,
  res: ServerResponse,
  { limits, onLimit }: { readonly limits: Limits; readonly onLimit: OnLimit },
  done: () => void,
): void {
  const early = new EarlyResponse(limits, processNow());
  const stream = streamOf(res);
  const idle = stream && startTimer(limits.discardIdleMs, () => stream.close(NO_ERROR));
  const endSocket = stream === undefined ? deferEnd(req.socket) : undefined;
  req.on("close", () => {
    clearTimeout(idle);
    endSocket?.();
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
    // The response waits for that of a request before it.
    else if (res.socket === null && !res.writableFinished) req.destroy();
    else lingeringClose(req.socket, "");
  });
}

/** Ends a connection of HTTP/1.1 after a last response, if the rest of the request is not to be waited for. */
export function endAfter(res: ServerResponse): void {
  if (streamOf(res) !== undefined || res.socket === null) return;
  const { socket } = res;
  deferEnd(socket);
  lingeringClose(socket, "");
}

/**
 * Keeps Node from destroying the socket after a last response while the request still comes, which would take the
 * response with it. Returns a function that lets Node do so, at once if it wanted to.
 */
function deferEnd(socket: Socket): () => void {
  let isWanted = false;
  socket.destroySoon = () => {
    isWanted = true;
  };
  return () => {
    Reflect.deleteProperty(socket, "destroySoon");
    if (isWanted) socket.destroySoon();
  };
}

/** The stream of a response of node:http2; undefined over HTTP/1.1. */
function streamOf(res: ServerResponse): Http2ServerResponse["stream"] | undefined {
  return (res as { stream?: Http2ServerResponse["stream"] }).stream;
}

/** Starts a timer that keeps no process alive; none for Infinity. */
function startTimer(ms: number, expire: () => void): NodeJS.Timeout | undefined {
  return Number.isFinite(ms) ? setTimeout(expire, ms).unref() : undefined;
}
