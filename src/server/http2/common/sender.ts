/** What streams say: heads, bodies and trailers as frames, within the windows and in fair order (RFC 9113, 8.1). */
import { EMPTY_BYTES, type Field, type ResponseHead } from "../../http/exchange.ts";
import type { QueuedResponses, ResponseHolder } from "../../limits/queued-responses.ts";
import { Flag, INITIAL_WINDOW_BYTES, MAX_FRAME_SIZE_BYTES } from "../frames/types.ts";
import type { FrameWriter } from "../frames/writer.ts";
import type { ResponseBlock, ResponseEncoder } from "../headers/response-encoder.ts";
import { EMPTY_TABLE_UPDATE } from "../hpack/encoder.ts";
import type { ServerState } from "../server-state.ts";
import type { Stream } from "../streams/stream.ts";
import type { Time } from "./clock.ts";
import type { Tolls } from "./flood-control.ts";
import { Turns } from "./flow-control.ts";
import { Outgoing } from "./send-queue.ts";

const CONTINUE_BLOCK = Uint8Array.of(0x08, 0x03, 0x31, 0x30, 0x30);

/** Who is told. */
export interface SenderHost {
  /** The answer of a stream is whole. */
  answered(stream: Stream): void;
  /** Resets the stream whose response holds most of the queued bytes, or ends the connection. */
  shed(): void;
}

export class Sender implements ResponseHolder {
  readonly #host: SenderHost;
  readonly #writer: FrameWriter;
  readonly #heads: ResponseEncoder;
  readonly #time: Time;
  readonly #tolls: Tolls;
  readonly #queued: QueuedResponses;
  /** Bodies wait while this many bytes of output do. */
  readonly #outputBytes: number;
  readonly #turns = new Turns();
  /** The connection's send window (6.9). */
  window = INITIAL_WINDOW_BYTES;
  /** Bytes that left the writer and were not taken by the peer. */
  unsent = 0;
  /** Bytes of bodies that wait. */
  waiting = 0;
  /** Bytes of heads, bodies and trailers sent. */
  said = 0;
  /** The next field block begins with a size update; one is enough, since it is to 0. */
  #updateTable = false;
  #tableUpdated = false;

  constructor(host: SenderHost, { heads, time, limits, queued }: ServerState, writer: FrameWriter, tolls: Tolls) {
    this.#host = host;
    this.#writer = writer;
    this.#heads = heads;
    this.#time = time;
    this.#tolls = tolls;
    this.#queued = queued;
    this.#outputBytes = Math.max(INITIAL_WINDOW_BYTES, limits.sendBufferBytes / 4);
  }

  /** Response bytes that wait for the peer: for its windows, or in the socket. */
  get queuedBytes(): number {
    return this.waiting + this.unsent;
  }

  shed(): void {
    this.#host.shed();
  }

  /** Takes note of how many bytes the socket holds. */
  flushed(unsent: number): void {
    const change = unsent - this.unsent;
    if (change === 0) return;
    this.unsent = unsent;
    this.#queued.changed(this, change);
  }

  #wait(bytes: number): void {
    this.waiting += bytes;
    this.#queued.changed(this, bytes);
  }

  respond(stream: Stream, head: ResponseHead, body: Uint8Array, trailers: readonly Field[] | undefined): void {
    const encoded = this.#heads.encodeHead(head);
    const length = body.length;
    if (length > this.window || length > stream.sendWindow || length > MAX_FRAME_SIZE_BYTES || !this.#free) {
      this.start(stream, head);
      this.write(stream, body);
      if (stream.localOpen) this.end(stream, trailers);
      return;
    }
    const last = trailers === undefined || trailers.length === 0 ? undefined : this.#heads.encodeTrailers(trailers);
    const bare = length === 0 || stream.request.method === "HEAD" || encoded.noContent;
    const end = last === undefined ? Flag.EndStream : 0;
    this.#head(stream.id, encoded, bare ? end : 0);
    if (!bare) this.#data(stream, body, 0, length, end);
    if (last !== undefined) this.#block(stream.id, last, EMPTY_BYTES, Flag.EndStream);
    this.#host.answered(stream);
  }

  start(stream: Stream, head: ResponseHead): void {
    const encoded = this.#heads.encodeHead(head);
    // Answers to HEAD, and 204 and 304, have no content (RFC 9110, 6.4.1).
    stream.bodiless = encoded.noContent || stream.request.method === "HEAD";
    this.#head(stream.id, encoded, 0);
  }

  /** Sends a piece, or keeps what the windows do not let through. */
  write(stream: Stream, piece: Uint8Array): Promise<void> | undefined {
    const length = piece.length;
    if (length === 0 || stream.bodiless) return stream.outgoing?.emptied;
    if (
      stream.outgoing === undefined &&
      length <= MAX_FRAME_SIZE_BYTES &&
      length <= this.window &&
      length <= stream.sendWindow &&
      this.#free
    ) {
      this.#data(stream, piece, 0, length, 0);
      return undefined;
    }
    stream.outgoing ??= new Outgoing();
    stream.outgoing.pieces.push(piece);
    stream.outgoing.bytes += length;
    this.#turns.add(stream);
    this.#wait(length);
    this.pump();
    return stream.outgoing?.emptied;
  }

  end(stream: Stream, trailers: readonly Field[] | undefined): void {
    const block = trailers === undefined || trailers.length === 0 ? undefined : this.#heads.encodeTrailers(trailers);
    if (stream.outgoing === undefined) {
      this.#finish(stream, block);
      return;
    }
    stream.outgoing.ended = true;
    stream.outgoing.trailers = block;
  }

  /** An answer without content, made here. */
  refuse(streamId: number, head: ResponseHead): void {
    this.#head(streamId, this.#heads.encodeHead(head), Flag.EndStream);
  }

  /** 100 (Continue) (RFC 9110, 15.2.1). */
  continue(streamId: number): void {
    this.#block(streamId, CONTINUE_BLOCK, EMPTY_BYTES, 0);
  }

  /** The peer wants a smaller table, and to be told that it has it (RFC 7541, 4.2). */
  smallerTable(): void {
    this.#updateTable = !this.#tableUpdated;
  }

  /** A stream's window opened. */
  opened(stream: Stream): void {
    if (stream.outgoing === undefined || stream.sendWindow <= 0) return;
    this.#turns.add(stream);
    this.pump();
  }

  /** Forgets what a stream that is gone had to say. */
  drop(stream: Stream): void {
    const outgoing = stream.outgoing;
    if (outgoing === undefined) return;
    this.#turns.delete(stream);
    stream.outgoing = undefined;
    this.#wait(-outgoing.bytes);
    outgoing.settle();
  }

  /** Sends what waits, as far as the windows and the output go. */
  pump(): void {
    while (this.window > 0 && !this.#full) {
      const stream = this.#turns.next();
      if (stream === undefined) return;
      if (stream.outgoing !== undefined && stream.sendWindow > 0) this.#turn(stream, stream.outgoing);
    }
  }

  get #full(): boolean {
    return this.unsent + this.#writer.queuedBytes >= this.#outputBytes;
  }

  /** Whether what is said now may leave before anything else that waits. */
  get #free(): boolean {
    return this.#turns.none && !this.#full;
  }

  /** Sends one frame of a stream. */
  #turn(stream: Stream, outgoing: Outgoing): void {
    const piece = outgoing.pieces[0] as Uint8Array;
    const start = outgoing.at;
    const end = Math.min(piece.length, start + Math.min(MAX_FRAME_SIZE_BYTES, this.window, stream.sendWindow));
    const emptied = outgoing.bytes === end - start;
    const last = emptied && outgoing.ended && outgoing.trailers === undefined;
    this.#data(stream, piece, start, end, last ? Flag.EndStream : 0);
    outgoing.bytes -= end - start;
    this.#wait(start - end);
    outgoing.at = end;
    if (end === piece.length) {
      outgoing.pieces.shift();
      outgoing.at = 0;
    }
    if (!emptied) {
      this.#turns.add(stream);
      return;
    }
    stream.outgoing = undefined;
    outgoing.settle();
    if (last) this.#host.answered(stream);
    else if (outgoing.ended) this.#finish(stream, outgoing.trailers);
  }

  #finish(stream: Stream, trailers: Uint8Array | undefined): void {
    if (trailers === undefined) this.#writer.writeData(stream.id, EMPTY_BYTES, 0, 0, Flag.EndStream);
    else this.#block(stream.id, trailers, EMPTY_BYTES, Flag.EndStream);
    this.#host.answered(stream);
  }

  #data(stream: Stream, piece: Uint8Array, start: number, end: number, flags: number): void {
    this.window -= end - start;
    stream.sendWindow -= end - start;
    this.said += end - start;
    this.#writer.writeData(stream.id, piece, start, end, flags);
    // A piece that the peer's windows cut into small frames earns by its bytes alone.
    this.#tolls.earn(end === piece.length ? 2 : Math.min(2, (end - start) / 32));
  }

  #head(streamId: number, { block, needsDate: undated }: ResponseBlock, flags: number): void {
    this.#block(streamId, block, undated ? this.#time.dateField : EMPTY_BYTES, flags);
  }

  #block(streamId: number, block: Uint8Array, more: Uint8Array, flags: number): void {
    this.said += block.length + more.length;
    if (!this.#updateTable) {
      this.#writer.writeHeaders(streamId, block, more, flags);
      return;
    }
    this.#updateTable = false;
    this.#tableUpdated = true;
    this.#writer.writeHeaders(streamId, Buffer.concat([EMPTY_TABLE_UPDATE, block]), more, flags);
  }
}
