/** An HTTP/2 server over sockets that it is given: the door of this folder. */
import type { Http2Server } from "../http/http2-server.ts";
import type { Limits } from "../limits/limits.ts";
import { pausedWithin } from "../limits/process-clock.ts";
import { type Http2Options, ServerState } from "./server-state.ts";
import { BoundSocket, readClock } from "./socket.ts";

export function createHttp2(options: Http2Options): Http2Server {
  const server = new ServerState(options);
  server.time.lostWithin = pausedWithin;
  const sockets = new Set<BoundSocket>();
  const sweepMs = sweepInterval(server.limits);
  let sweep: NodeJS.Timeout | undefined;
  let earlySweep: NodeJS.Timeout | undefined;
  let drained: PromiseWithResolvers<void> | undefined;

  function look(): void {
    readClock(server);
    for (const socket of sockets) socket.look();
  }

  server.early.onFirst = () => {
    earlySweep ??= setInterval(lookAtEarly, earlySweepInterval(server.limits)).unref();
  };

  function lookAtEarly(): void {
    readClock(server);
    server.early.look();
    if (!server.early.isEmpty) return;
    clearInterval(earlySweep);
    earlySweep = undefined;
  }

  function closed(socket: BoundSocket): void {
    sockets.delete(socket);
    if (sockets.size > 0) return;
    clearInterval(sweep);
    sweep = undefined;
    drained?.resolve();
  }

  return {
    accept(socket) {
      readClock(server);
      const bound = new BoundSocket(socket, server, closed);
      sockets.add(bound);
      sweep ??= setInterval(look, sweepMs).unref();
      if (drained !== undefined) bound.drain(DRAINING);
    },
    drain() {
      readClock(server);
      server.early.holds = false;
      if (drained === undefined) {
        drained = Promise.withResolvers();
        for (const socket of sockets) socket.drain(DRAINING);
        if (sockets.size === 0) drained.resolve();
      }
      return drained.promise;
    },
    destroy() {
      for (const socket of sockets) socket.destroy(CLOSING);
    },
    get requestsInFlight() {
      let streams = 0;
      for (const socket of sockets) streams += socket.openStreams;
      return streams;
    },
  };
}

const DRAINING = "the server is draining";
const CLOSING = "the server is closing";

/** ms between looks at the early streams. */
function earlySweepInterval({ earlyResponseMs, earlyResponseIdleMs, discardIdleMs }: Limits): number {
  return Math.max(10, Math.min(1_000, Math.min(earlyResponseMs, earlyResponseIdleMs, discardIdleMs) / 4));
}

/** ms between looks at the time: often enough for the shortest of the limits, and not more often than every 10 ms. */
function sweepInterval(limits: Limits): number {
  const shortest = Math.min(
    limits.settingsMs,
    limits.headersMs,
    limits.requestMs,
    limits.idleMs,
    limits.keepaliveMs,
    limits.pingTimeoutMs,
    limits.gracefulCloseMs,
    limits.readRateMs,
  );
  return Math.max(10, Math.min(1_000, shortest / 4));
}
