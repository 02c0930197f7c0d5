/** The parts of a stream that are the same in a server and a client: its state, its windows and its send queue. */
import { OwnedBytes, type Piece } from "../../http/exchange.ts";
import { countBuffers } from "../../limits/buffer-memory.ts";
import type { FrameWriter } from "../frames/writer.ts";
import type { ReceiveWindow } from "./flow-control.ts";

/**
 * The states of a stream (RFC 9113, 5.1), as sets of bits: 1 if this side has ended its message, 2 if the peer has. An
 * idle stream has no object.
 */
const StreamState = { Open: 0, HalfClosedLocal: 1, HalfClosedRemote: 2, Closed: 3 } as const;

export class BaseStream {
  readonly id: number;
  #state: number = StreamState.Open;
  /**
   * The bytes of DATA that this side may send. Negative if the peer has lowered SETTINGS_INITIAL_WINDOW_SIZE (6.9.2).
   */
  sendWindow: number;
  /** Limits the DATA that the peer sends. Undefined until the first DATA frame without END_STREAM. */
  receiveWindow: ReceiveWindow | undefined;
  /** The part of this side's message that is not sent yet. Undefined if nothing is queued. */
  sendQueue: SendQueue | undefined;

  constructor(id: number, sendWindow: number) {
    this.id = id;
    this.sendWindow = sendWindow;
  }

  /** True if the peer may still send frames of its message. */
  get isRemoteOpen(): boolean {
    return (this.#state & StreamState.HalfClosedRemote) === 0;
  }

  /** True if this side may still send frames of its message. */
  get isLocalOpen(): boolean {
    return (this.#state & StreamState.HalfClosedLocal) === 0;
  }

  /** Records that the peer has ended its message. */
  endRemote(): void {
    this.#state |= StreamState.HalfClosedRemote;
  }

  /** Records that this side has ended its message. */
  protected endLocal(): void {
    this.#state |= StreamState.HalfClosedLocal;
  }

  /** Records that the stream was reset, or that its connection has ended. */
  protected closeBoth(): void {
    this.#state = StreamState.Closed;
  }
}

interface QueuedPart {
  readonly bytes: Uint8Array;
  /** True if the memory of `bytes` may be freed after they were sent. */
  readonly isOwned: boolean;
}

/** The part of a message that cannot be sent yet. */
export class SendQueue {
  readonly #parts: QueuedPart[] = [];
  /** The number of bytes of the first part that were sent. */
  #sent = 0;
  /** The number of queued bytes. */
  bytes = 0;
  /** True if the queued bytes and `trailers` are the whole rest of the message. */
  isComplete = false;
  /** The field block of the trailers. Undefined if the message has no trailers, or is not complete. */
  trailers: Uint8Array | undefined;
  #emptied: PromiseWithResolvers<void> | undefined;

  /** True if the next byte is the first of a piece, or of its prefix, bytes or suffix. */
  get isBetweenParts(): boolean {
    return this.#sent === 0;
  }

  add(piece: Piece): void {
    this.bytes += piece.length;
    if (piece instanceof OwnedBytes) {
      this.#add(piece.prefix, false);
      this.#add(piece.bytes, true);
      this.#add(piece.suffix, false);
    } else this.#add(piece, false);
  }

  #add(bytes: Uint8Array, isOwned: boolean): void {
    if (bytes.length > 0) this.#parts.push({ bytes, isOwned });
  }

  /** Removes the first `count` bytes, and writes them as payload. */
  writePayload(writer: FrameWriter, count: number): void {
    this.bytes -= count;
    for (let left = count; left > 0; ) {
      const { bytes, isOwned } = this.#parts[0] as QueuedPart;
      const end = Math.min(bytes.length, this.#sent + left);
      writer.writePayload(bytes, this.#sent, end);
      left -= end - this.#sent;
      this.#sent = end;
      if (end < bytes.length) return;
      this.#sent = 0;
      this.#parts.shift();
      if (isOwned) freeMemory(bytes);
    }
  }

  /** Returns a promise that resolves when all queued bytes were sent or discarded. All callers get the same promise. */
  whenEmptied(): Promise<void> {
    this.#emptied ??= Promise.withResolvers();
    return this.#emptied.promise;
  }

  /** Resolves the promise of `whenEmptied`. */
  settle(): void {
    this.#emptied?.resolve();
  }
}

/** Frees the memory of bytes that nothing uses any more, by detaching their ArrayBuffer. */
export function freeMemory({ buffer, byteLength }: Uint8Array): void {
  // `toBinary` of protobuf-es, which some messages need, leaves buffers of up to twice the size.
  countBuffers(byteLength * 2);
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
