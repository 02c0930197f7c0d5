/** Reads the body of a request in pieces, for `Exchange.readBody`. */
import type { IncomingMessage } from "node:http";
import { appendBytes, NO_BUFFER } from "../http/append-bytes.ts";
import type { BodyReader } from "../http/exchange.ts";

/** While at least this many bytes wait to be taken, the client is stopped. */
const MAX_WAITING_BYTES = 65_536;

/** Listens to "data", which costs less than "readable" and `read` for a body of many small chunks. */
export class NodeBodyReader implements BodyReader {
  readonly #req: IncomingMessage;
  readonly #onReadable: () => void;
  readonly #onData = (piece: Buffer): void => this.#received(piece);
  #buffer = NO_BUFFER;
  #size = 0;
  #isStopped = false;

  constructor(req: IncomingMessage, onReadable: () => void) {
    this.#req = req;
    this.#onReadable = onReadable;
    req.on("data", this.#onData).on("end", onReadable).resume(); // middleware may have paused the request
  }

  get isComplete(): boolean {
    return this.#req.readableEnded && this.#size === 0 && !this.#isStopped;
  }

  take(): Buffer {
    const bytes = this.#buffer.subarray(0, this.#size);
    if (this.#size >= MAX_WAITING_BYTES) this.#req.resume();
    this.#buffer = NO_BUFFER;
    this.#size = 0;
    return bytes;
  }

  /** Stops reading, so that the rest of the body can be discarded. */
  stop(): void {
    this.#isStopped = true;
    this.#buffer = NO_BUFFER;
    this.#size = 0;
    this.#req.off("data", this.#onData).off("end", this.#onReadable);
  }

  #received(piece: Buffer): void {
    this.#buffer = appendBytes(this.#buffer, this.#size, piece);
    this.#size += piece.length;
    if (this.#size >= MAX_WAITING_BYTES) this.#req.pause();
    this.#onReadable();
  }
}
