/** Buffers the body of a request, for `Exchange.bufferBody`. */
import type { IncomingMessage } from "node:http";
import { appendBytes, NO_BUFFER } from "../http/append-bytes.ts";
import type { Exchange } from "../http/exchange.ts";

/** The exchange that a body is buffered for. It reserves memory for the body in the server's budget. */
export interface BodyOwner extends Exchange {
  /** Called once, when the whole body was received, even if buffering was stopped before. */
  bodyReceived(): void;
  /** Called with the whole body. Must call `done` with `body` and this exchange. */
  bodyBuffered(body: Uint8Array, done: (bytes: Uint8Array, exchange: Exchange) => void): void;
  /** Called when the body exceeds the maximum. Must call `over` with this exchange. */
  bodyTooLarge(over: (exchange: Exchange) => void): void;
  /** Called if the server's budget has no memory for the next bytes. Must call `BufferedBody.stop`. */
  outOfMemory(): void;
}

export class BufferedBody {
  readonly #req: IncomingMessage;
  readonly #owner: BodyOwner;
  readonly #maxBytes: number;
  readonly #done: (bytes: Uint8Array, exchange: Exchange) => void;
  readonly #over: (exchange: Exchange) => void;
  readonly #onData = (piece: Buffer): void => this.#received(piece);
  #buffer: Buffer = NO_BUFFER;
  #size = 0;
  #isStopped = false;

  /** Begins to buffer. The parameters are those of `Exchange.bufferBody`. */
  constructor(
    req: IncomingMessage,
    owner: BodyOwner,
    maxBytes: number,
    done: (bytes: Uint8Array, exchange: Exchange) => void,
    over: (exchange: Exchange) => void,
  ) {
    this.#req = req;
    this.#owner = owner;
    this.#maxBytes = maxBytes;
    this.#done = done;
    this.#over = over;
    req.on("data", this.#onData);
    req.on("end", () => this.#ended());
    req.resume(); // middleware may have paused the request
  }

  /** Stops buffering and releases the memory of the body. From then on, only `bodyReceived` is called. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#owner.release(this.#size);
  }

  #received(piece: Buffer): void {
    if (this.#isStopped) return;
    if (!this.#owner.tryReserve(piece.length)) {
      this.#owner.outOfMemory();
      return;
    }
    // Most bodies are one piece, for which HTTP/1.1 allocates exactly its memory.
    const isOwned = this.#size === 0 && piece.length === piece.buffer.byteLength;
    this.#buffer = isOwned ? piece : appendBytes(this.#buffer, this.#size, piece);
    this.#size += piece.length;
    if (this.#size <= this.#maxBytes) return;
    this.stop();
    this.#req.off("data", this.#onData).pause().unshift(this.#bytes);
    this.#owner.bodyTooLarge(this.#over);
  }

  #ended(): void {
    this.#owner.bodyReceived();
    if (this.#isStopped) return;
    this.stop();
    this.#owner.bodyBuffered(this.#bytes, this.#done);
  }

  get #bytes(): Buffer {
    return this.#size === this.#buffer.length ? this.#buffer : this.#buffer.subarray(0, this.#size);
  }
}
