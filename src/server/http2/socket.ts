/** Binds a connection to a socket, plain or TLS, and to the clock. */
import type { Socket } from "node:net";
import { processNow } from "../limits/process-clock.ts";
import { lingeringClose } from "../listener/lingering-close.ts";
import { Connection } from "./connection.ts";
import { ConnectionError, ErrorCode } from "./frames/types.ts";
import type { ServerState } from "./server-state.ts";

/** While the peer reads slowly, output up to this size is copied, so that waiting output keeps no larger buffer alive. */
const MAX_COPIED_BYTES = 16_384;

export class BoundSocket {
  readonly #socket: Socket;
  readonly #server: ServerState;
  readonly #connection: Connection;
  #isFlushScheduled = false;
  #isEnded = false;
  /** The large output that the socket has not passed to the system yet, the oldest first. */
  readonly #writing: Buffer[] = [];
  readonly #onWritten = (error?: Error | null): void => {
    const output = this.#writing.shift();
    if (output !== undefined && !error) this.#connection.releaseOutput(output);
  };
  /** True if the socket has passed all output to the system, as far as is known. */
  #isPrompt = true;

  /** Starts to read the socket. Calls `onClose` once, when the socket is closed. */
  constructor(socket: Socket, server: ServerState, onClose: (bound: BoundSocket) => void) {
    this.#socket = socket;
    this.#server = server;
    this.#connection = new Connection(server, server.peerOf(socket), () => this.#scheduleFlush());
    socket.setNoDelay(true);
    const onChunk = (chunk: Buffer): void => this.#receive(chunk);
    socket.on("data", onChunk);
    server.readBuffer.attach(socket, onChunk);
    socket.on("drain", () => this.#onWritable());
    socket.on("end", () => {
      this.#connection.abort("the peer closed the connection");
      this.flush();
    });
    // The "close" event follows each error, and its listener ends the connection.
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#connection.abort("the connection was lost");
      this.#connection.setUnsentBytes(0);
      onClose(this);
    });
    socket.resume();
  }

  get openStreams(): number {
    return this.#connection.openStreams;
  }

  /** Closes the connection gracefully. */
  drain(reason: string): void {
    this.#connection.drain(reason);
    this.flush();
  }

  checkTimeouts(): void {
    if (this.#isEnded) return;
    // Polls `writableLength`. On a TLS socket it falls only after `write` has returned, and "drain" follows only large
    // writes.
    this.#connection.setUnsentBytes(this.#socket.writableLength);
    this.#connection.checkTimeouts();
    this.flush();
  }

  /** Closes the connection with GOAWAY, without waiting for its streams. */
  destroy(reason: string): void {
    this.#connection.fail(new ConnectionError(ErrorCode.NoError, reason));
    this.flush();
    this.#socket.destroy();
  }

  /** Handles a chunk, and then flushes all output that the chunk caused. */
  #receive(chunk: Buffer): void {
    updateTime(this.#server);
    this.#isFlushScheduled = true;
    this.#connection.receive(chunk);
    this.flush();
  }

  /**
   * Schedules one flush for all output that is written outside `#receive`, such as responses of asynchronous handlers.
   */
  #scheduleFlush(): void {
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    process.nextTick(flush, this);
  }

  #onWritable(): void {
    this.#connection.setUnsentBytes(this.#socket.writableLength);
    this.flush();
  }

  /**
   * Writes all output of the connection to the socket. Then closes, pauses or resumes the socket if the connection
   * requires it.
   */
  flush(): void {
    const socket = this.#socket;
    const connection = this.#connection;
    for (let output = connection.takeOutput(); output !== undefined; output = connection.takeOutput()) {
      this.#write(output);
    }
    this.#isFlushScheduled = false;
    if (connection.isDestroyed) socket.destroy();
    else if (connection.isClosed) this.#end();
    else if (connection.isPaused !== socket.isPaused()) connection.isPaused ? socket.pause() : socket.resume();
  }

  #write(output: Buffer): void {
    const socket = this.#socket;
    const isLarge = output.length > MAX_COPIED_BYTES;
    const isCopied = !this.#isPrompt && !isLarge;
    if (isLarge && socket.writable) {
      this.#writing.push(output);
      socket.write(output, this.#onWritten);
    } else if (socket.writable) socket.write(isCopied ? Buffer.from(output) : output);
    this.#isPrompt = socket.writableLength === 0;
    // Otherwise the socket still reads the buffer.
    if (!isLarge && (this.#isPrompt || isCopied)) this.#connection.releaseOutput(output);
    this.#connection.setUnsentBytes(socket.writableLength);
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    lingeringClose(this.#socket, "");
  }
}

/** Flushes `bound`. A closure for each flush would cost an allocation. */
function flush(bound: BoundSocket): void {
  bound.flush();
}

/** Sets the time of all connections to the current time. */
export function updateTime({ time }: ServerState): void {
  const now = performance.now();
  time.set(now, Date.now, Math.floor(processNow(now)));
}
