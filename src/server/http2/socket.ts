/** Binds a connection to a socket, plain or TLS, and to the clock. */
import type { Socket } from "node:net";
import { processNow } from "../limits/process-clock.ts";
import { lingeringClose } from "../listener/lingering-close.ts";
import { SocketPeer } from "../listener/socket-peer.ts";
import { Connection } from "./connection.ts";
import { ConnectionError, ErrorCode } from "./frames/types.ts";
import type { ServerState } from "./server-state.ts";

export class BoundSocket {
  readonly #socket: Socket;
  readonly #server: ServerState;
  readonly #connection: Connection;
  #flushScheduled = false;
  #ended = false;

  /** Bytes that were unshifted into the socket are read first. closed is called once, when the socket is. */
  constructor(socket: Socket, server: ServerState, closed: (bound: BoundSocket) => void) {
    this.#socket = socket;
    this.#server = server;
    this.#connection = new Connection(server, new SocketPeer(socket), () => this.#scheduleFlush());
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("drain", () => this.#drained());
    socket.on("end", () => {
      this.#connection.abort("the peer closed the connection");
      this.flush();
    });
    // What an error means is said by the close that follows it.
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#connection.abort("the connection was lost");
      this.#connection.flushed(0);
      closed(this);
    });
    socket.resume();
  }

  get openStreams(): number {
    return this.#connection.openStreams;
  }

  /** Takes its leave of the peer. */
  drain(reason: string): void {
    this.#connection.drain(reason);
    this.flush();
  }

  /** Looks at the time. */
  look(): void {
    if (this.#ended) return;
    // A TLS socket takes what is written only after the write, and says so only of what was much.
    this.#connection.flushed(this.#socket.writableLength);
    this.#connection.look();
    this.flush();
  }

  destroy(reason: string): void {
    this.#connection.fail(new ConnectionError(ErrorCode.NoError, reason));
    this.flush();
    this.#socket.destroy();
  }

  /** What one chunk makes the connection say leaves in one write. */
  #receive(chunk: Buffer): void {
    readClock(this.#server);
    this.#flushScheduled = true;
    this.#connection.receive(chunk);
    this.flush();
  }

  /** What is said outside of input leaves together, when the promises of this turn have run. */
  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    process.nextTick(flush, this);
  }

  #drained(): void {
    this.#connection.flushed(this.#socket.writableLength);
    this.flush();
  }

  /** Sends what the connection has said. */
  flush(): void {
    const socket = this.#socket;
    const connection = this.#connection;
    for (let output = connection.take(); output !== undefined; output = connection.take()) {
      if (socket.writable) socket.write(output);
      connection.flushed(socket.writableLength);
    }
    this.#flushScheduled = false;
    if (connection.dropped) socket.destroy();
    else if (connection.closed) this.#end();
    else if (connection.paused !== socket.isPaused()) connection.paused ? socket.pause() : socket.resume();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    lingeringClose(this.#socket, "");
  }
}

/** One function for all sockets, so that what waits for the turn's end costs no closure. */
function flush(bound: BoundSocket): void {
  bound.flush();
}

/** Hands the time to the connections. */
export function readClock({ time }: ServerState): void {
  const now = performance.now();
  time.set(Math.floor(now), Date.now, Math.floor(processNow(now)));
}
