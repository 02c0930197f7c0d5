/** One plain port: HTTP/1.1 or HTTP/2, by the first bytes of each connection. */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { OnLimit } from "./limits.ts";

/** What every HTTP/2 connection begins with (RFC 9113, 3.4) and, since no method is called PRI, no other does. */
const PREFACE_START = "PRI ";

/** The connections that have not shown what they speak. */
export interface Undecided {
  /** Closes them. */
  close(): void;
}

/**
 * Makes the HTTP/1.1 server hand over each connection that speaks HTTP/2, with nothing read from it.
 * The HTTP/1.1 server stays the one that listens: one that does not has no timeouts.
 */
export function splitByFirstBytes(
  http1: Server,
  http2: (socket: Socket) => void,
  firstBytesMs: number,
  onLimit: OnLimit,
): Undecided {
  const undecided = new Set<Socket>();
  const acceptHttp1 = http1.listeners("connection") as ((socket: Socket) => void)[];
  http1.removeAllListeners("connection");
  http1.on("connection", (socket: Socket) => {
    undecided.add(socket);
    const timer = after(firstBytesMs, () => {
      onLimit("firstBytesMs", `a connection's first bytes took over ${firstBytesMs} ms`);
      socket.destroy();
    });
    peek(socket, (start) => {
      clearTimeout(timer);
      undecided.delete(socket);
      if (start === PREFACE_START) return http2(socket);
      if (start === undefined) return;
      for (const accept of acceptHttp1) accept.call(http1, socket);
      socket.resume();
    });
  });
  return {
    close() {
      for (const socket of undecided) socket.destroy();
    },
  };
}

/** Gives the socket's first four bytes, or the first that differ from HTTP/2's, and leaves them unread; or its close. */
function peek(socket: Socket, then: (start: string | undefined) => void): void {
  let seen: Buffer = Buffer.alloc(0);
  const stop = (start?: string): void => {
    socket.off("data", onData).off("end", onEnd).off("error", ignore).off("close", onClose);
    then(start);
  };
  const onData = (chunk: Buffer): void => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const start = seen.toString("latin1", 0, PREFACE_START.length);
    if (start.length < PREFACE_START.length && PREFACE_START.startsWith(start)) return;
    socket.pause();
    socket.unshift(seen);
    stop(start);
  };
  const onEnd = (): void => void socket.destroy();
  const onClose = (): void => stop();
  socket.on("data", onData).on("end", onEnd).on("error", ignore).on("close", onClose);
}

function after(ms: number, run: () => void): NodeJS.Timeout | undefined {
  return Number.isFinite(ms) ? setTimeout(run, ms) : undefined;
}

function ignore(): void {}
