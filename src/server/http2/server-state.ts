/** The state that all HTTP/2 connections of a server share. */
import type { Socket } from "node:net";
import type { ConnectionPeer, Handler, Peer } from "../http/exchange.ts";
import type { HttpContext } from "../http/http-context.ts";
import { Budget } from "../limits/budget.ts";
import type { Limits, OnLimit } from "../limits/limits.ts";
import type { QueuedResponses } from "../limits/queued-responses.ts";
import { SocketPeer } from "../listener/socket-peer.ts";
import { Time } from "./common/time.ts";
import { MAX_UINT31 } from "./frames/types.ts";
import { BufferPool } from "./frames/writer.ts";
import { ResponseEncoder } from "./headers/response-encoder.ts";
import { ReadBuffer } from "./read-buffer.ts";
import { EarlyStreams } from "./streams/early-streams.ts";

export interface Http2Options extends HttpContext {
  /** Called with each error that is not a client's fault. */
  readonly onError: (error: unknown) => void;
}

export class ServerState implements Http2Options {
  readonly handler: Handler;
  readonly limits: Limits;
  readonly onError: (error: unknown) => void;
  readonly onLimit: OnLimit;
  readonly peerOf: (socket: Socket) => ConnectionPeer;
  readonly endExchanges: (peer: Peer) => void;
  readonly time = new Time();
  readonly responseEncoder = new ResponseEncoder();
  readonly buffers = new BufferPool();
  readonly readBuffer = new ReadBuffer();
  readonly buffered: Budget;
  readonly early: EarlyStreams;
  readonly queued: QueuedResponses;
  /** Counts the handlers that are running for cancelled streams. */
  readonly cancelledHandlers: Budget;

  constructor(options: Http2Options) {
    const { handler, limits, buffered, queued, onError, onLimit, peerOf, endExchanges } = options;
    this.handler = handler;
    this.limits = {
      ...limits,
      // A window cannot exceed MAX_UINT31 bytes (6.9.1), even if its limit is off.
      streamWindowBytes: Math.min(limits.streamWindowBytes, MAX_UINT31),
      connectionWindowBytes: Math.min(limits.connectionWindowBytes, MAX_UINT31),
    };
    this.onError = onError;
    this.onLimit = onLimit;
    this.peerOf = peerOf ?? ((socket) => new SocketPeer(socket));
    this.endExchanges = endExchanges;
    this.buffered = buffered;
    this.early = new EarlyStreams(this.limits, this.time);
    this.queued = queued;
    this.cancelledHandlers = new Budget(limits.cancelledHandlers);
  }
}
