/** Tracks connections whose protocol is not known yet, and peeks at their first bytes, which show the protocol. */
import type { Socket } from "node:net";
import type { Limits, OnLimit } from "../limits/limits.ts";
import { startProcessTimeout } from "../limits/process-clock.ts";
import { lingeringClose } from "./lingering-close.ts";
import { type ProxyHeader, parseProxyHeader } from "./proxy-protocol.ts";
import { IPV4_MAPPING } from "./trusted-proxies.ts";

/**
 * The first byte of every TLS connection: the record type "handshake" (RFC 8446, 5.1). No HTTP method begins with it.
 */
export const TLS_START = "\x16";

/** Serve a connection by each HTTP version. The socket is plain or TLS, and all of its bytes are still unread. */
export interface Protocols {
  readonly http1: (socket: Socket) => void;
  readonly http2: (socket: Socket) => void;
}

/** A word for the reason for which a connection is refused. */
export type ConnectionRefusal =
  | "plain_text"
  | "tls"
  | "tls_handshake"
  | "client_certificate"
  | "server_certificate"
  | "proxy_protocol";

/** A decision on the first bytes of a connection. */
interface Decision {
  /** The number of bytes that are taken. The rest stays unread. */
  readonly taken: number;
  /** Called once, when the socket is paused. */
  next(): void;
}

export interface PendingOptions {
  readonly limits: Limits;
  readonly onLimit: OnLimit;
  /**
   * Called once for each connection that is refused. `text` describes the reason, and comes from a small set. `address` is
   * the client's IP address, or undefined if the client has disconnected or uses a Unix domain socket.
   */
  readonly onRefused: (reason: ConnectionRefusal, text: string, address: string | undefined) => void;
}

export class PendingConnections {
  readonly #options: PendingOptions;
  readonly #sockets = new Set<Socket>();

  constructor(options: PendingOptions) {
    this.#options = options;
  }

  /** Tracks `socket` as pending until `delete` is called, which must happen when the socket closes. */
  add(socket: Socket): void {
    this.#sockets.add(socket);
  }

  get size(): number {
    return this.#sockets.size;
  }

  delete(socket: Socket): void {
    this.#sockets.delete(socket);
  }

  /**
   * Peeks at the first bytes of `socket`. Calls `then` at most once, as soon as the bytes equal `prefix` or differ from it.
   * `start` contains the bytes received so far (latin1), but at most as many as `prefix`. When `then` is called, the socket
   * is paused and all of its bytes are unread. If the connection ends or firstBytesMs expires first, destroys the socket
   * and does not call `then`.
   */
  peek(socket: Socket, prefix: string, then: (start: string) => void): void {
    this.#decide(socket, (seen) => {
      const start = seen.toString("latin1", 0, prefix.length);
      const isPartial = start.length < prefix.length && prefix.startsWith(start);
      return isPartial ? undefined : { taken: 0, next: () => then(start) };
    });
  }

  /**
   * Takes the header of the PROXY protocol from the first bytes of `socket`. Calls `then` at most once, with the client of the
   * header, or with "proxy" without a header. When `then` is called, the socket is paused and all other bytes are unread.
   * Refuses the connection if the header is malformed or too long. Otherwise as `peek`.
   */
  takeProxyHeader(socket: Socket, then: (client: ProxyHeader["client"]) => void): void {
    this.#decide(socket, (seen) => {
      const header = parseProxyHeader(seen);
      if (header === "partial") return undefined;
      if (header === "none") return { taken: 0, next: () => then("proxy") };
      if (header !== "malformed") return { taken: header.bytes, next: () => then(header.client) };
      const next = (): void => {
        this.report(socket, "proxy_protocol", "its PROXY protocol header is malformed or too long");
        socket.destroy();
      };
      return { taken: 0, next };
    });
  }

  /** Passes the bytes that were received so far to `decide`, until it returns a decision. */
  #decide(socket: Socket, decide: (seen: Buffer) => Decision | undefined): void {
    let seen: Buffer = Buffer.alloc(0);
    const { onLimit, limits } = this.#options;
    const ms = limits.firstBytesMs;
    const expire = (): void => {
      onLimit("firstBytesMs", `a connection's first bytes took over ${ms} ms`);
      socket.destroy();
    };
    const cancel = Number.isFinite(ms) ? startProcessTimeout(ms, expire) : ignore;
    const stop = (): void => {
      cancel();
      this.#sockets.delete(socket);
      socket.off("data", onData).off("end", onEnd).off("error", ignore).off("close", stop);
    };
    const onData = (chunk: Buffer): void => {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      const decision = decide(seen);
      if (decision === undefined) return;
      socket.pause();
      if (seen.length > decision.taken) socket.unshift(seen.subarray(decision.taken));
      stop();
      decision.next();
    };
    const onEnd = (): void => void socket.destroy();
    this.#sockets.add(socket);
    // A socket that another process handed over may be paused.
    socket.on("data", onData).on("end", onEnd).on("error", ignore).on("close", stop).resume();
  }

  /**
   * Refuses a connection whose protocol this port does not serve. Reports the reason to `onRefused`, sends `message` in an
   * HTTP/1.0 response with status 400, and then closes the connection. HTTP clients can show the response.
   */
  refuse(socket: Socket, reason: ConnectionRefusal, text: string, message: string): void {
    this.report(socket, reason, text);
    const head = `HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n`;
    lingeringClose(socket, `${head}${message}\n`);
  }

  /** Reports the reason for which `socket` is refused. */
  report(socket: Socket, reason: ConnectionRefusal, text: string): void {
    this.#options.onRefused(reason, text, socket.remoteAddress?.replace(IPV4_MAPPING, ""));
  }

  /** Destroys the sockets of all pending connections. */
  destroy(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

function ignore(): void {}
