/** One plain port: HTTP/1.1 or HTTP/2, by the first bytes of each connection. */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Limits, OnLimit } from "../limits/limits.ts";
import { FirstBytes, type OnRefused, refuse, TLS_START } from "./peek.ts";

/** What every HTTP/2 connection begins with (RFC 9113, 3.4) and, since no method is called PRI, no other does. */
const PREFACE_START = "PRI ";

export interface Split {
  /** Serves a connection of HTTP/2, from which nothing was read. */
  readonly http2: (socket: Socket) => void;
  readonly limits: Limits;
  readonly onLimit: OnLimit;
  readonly onRefused: OnRefused;
}

/** The connections that have not shown what they speak. */
export interface Undecided {
  /** Closes them. */
  close(): void;
}

/**
 * Makes the HTTP/1.1 server hand over each connection that speaks HTTP/2, and refuse those that speak TLS.
 * The HTTP/1.1 server stays the one that listens: one that does not has no timeouts.
 */
export function splitByFirstBytes(http1: Server, { http2, limits, onLimit, onRefused }: Split): Undecided {
  const firstBytes = new FirstBytes(limits, onLimit);
  const acceptHttp1 = http1.listeners("connection") as ((socket: Socket) => void)[];
  http1.removeAllListeners("connection");
  http1.on("connection", (socket: Socket) => {
    firstBytes.peek(socket, PREFACE_START, (start) => {
      if (start === PREFACE_START) return http2(socket);
      if (start.startsWith(TLS_START)) {
        onRefused("it speaks TLS, and this port is plain", socket.remoteAddress);
        return refuse(socket, "this port is plain: use http");
      }
      for (const accept of acceptHttp1) accept.call(http1, socket);
      socket.resume();
    });
  });
  return firstBytes;
}
