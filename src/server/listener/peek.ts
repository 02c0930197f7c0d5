/** The first bytes of connections, by which a port tells what each speaks. */
import type { Socket } from "node:net";
import type { Limits, OnLimit } from "../limits/limits.ts";
import { runningTimeout } from "../limits/running-time.ts";
import { endAndLinger } from "./lingering-close.ts";

/** What every TLS connection begins with: the type of a handshake's record (RFC 8446, 5.1). No method of HTTP's does. */
export const TLS_START = "\x16";

/** Tells of a connection that is refused: for what reason, of which there are few, and from which address. */
export type OnRefused = (reason: string, address: string | undefined) => void;

/** Connections that have not shown what they speak. */
export class FirstBytes {
  readonly #firstBytesMs: number;
  readonly #onLimit: OnLimit;
  readonly #undecided = new Set<Socket>();

  constructor({ firstBytesMs }: Limits, onLimit: OnLimit) {
    this.#firstBytesMs = firstBytesMs;
    this.#onLimit = onLimit;
  }

  /**
   * Calls then with what the connection begins with, in latin1: the prefix, or as much as tells it from the prefix.
   * Nothing is read from it then. It is not called where the connection ends, or takes too long.
   */
  peek(socket: Socket, prefix: string, then: (start: string) => void): void {
    let seen: Buffer = Buffer.alloc(0);
    const ms = this.#firstBytesMs;
    const expire = (): void => {
      this.#onLimit("firstBytesMs", `a connection's first bytes took over ${ms} ms`);
      socket.destroy();
    };
    const cancel = Number.isFinite(ms) ? runningTimeout(ms, expire) : ignore;
    const stop = (): void => {
      cancel();
      this.#undecided.delete(socket);
      socket.off("data", onData).off("end", onEnd).off("error", ignore).off("close", stop);
    };
    const onData = (chunk: Buffer): void => {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      const start = seen.toString("latin1", 0, prefix.length);
      if (start.length < prefix.length && prefix.startsWith(start)) return;
      socket.pause();
      socket.unshift(seen);
      stop();
      then(start);
    };
    const onEnd = (): void => void socket.destroy();
    this.#undecided.add(socket);
    socket.on("data", onData).on("end", onEnd).on("error", ignore).on("close", stop);
  }

  /** Ends the connections that are undecided. */
  close(): void {
    for (const socket of this.#undecided) socket.destroy();
  }
}

/** Ends a connection that speaks what this port does not, with an answer of HTTP/1.0 to whoever can read it. */
export function refuse(socket: Socket, message: string): void {
  const head = `HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n`;
  endAndLinger(socket, `${head}${message}\n`);
}

function ignore(): void {}
