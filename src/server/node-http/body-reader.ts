/** Reads the body of a request in pieces, for `Exchange.readBody`. */
import type { IncomingMessage } from "node:http";
import { type BodyReader, EMPTY_BYTES } from "../http/exchange.ts";

export class NodeBodyReader implements BodyReader {
  readonly #req: IncomingMessage;
  readonly #onReadable: () => void;
  #isStopped = false;

  constructor(req: IncomingMessage, onReadable: () => void) {
    this.#req = req;
    this.#onReadable = onReadable;
    req.on("readable", onReadable).on("end", onReadable);
  }

  get isComplete(): boolean {
    return this.#req.readableEnded && !this.#isStopped;
  }

  take(): Uint8Array {
    return this.#isStopped ? EMPTY_BYTES : (this.#req.read() ?? EMPTY_BYTES);
  }

  /** Stops reading, so that Node can discard the rest of the body. */
  stop(): void {
    this.#isStopped = true;
    this.#req.off("readable", this.#onReadable).off("end", this.#onReadable);
  }
}
