/**
 * The base class of exchanges that change the response of another exchange. Forwards every member to that exchange, except
 * `takeNodeMessages`.
 */
import type { BodyReader, Exchange, Field, Piece, ResetReason, ResponseHead } from "./exchange.ts";

export class ExchangeWrapper implements Exchange {
  protected readonly inner: Exchange;

  constructor(inner: Exchange) {
    this.inner = inner;
  }

  get request() {
    return this.inner.request;
  }
  get startedAt() {
    return this.inner.startedAt;
  }
  get exactStartedAt() {
    return this.inner.exactStartedAt;
  }
  get peer() {
    return this.inner.peer;
  }
  get hasBody() {
    return this.inner.hasBody;
  }
  get source() {
    return this.inner.source;
  }
  get body() {
    return this.inner.body;
  }
  readBody(onReadable: () => void): BodyReader {
    return this.inner.readBody(onReadable);
  }
  get onCancelled() {
    return this.inner.onCancelled;
  }
  set onCancelled(listener) {
    this.inner.onCancelled = listener;
  }
  bufferBody(
    maxBytes: number,
    done: (bytes: Uint8Array, exchange: Exchange) => void,
    over: (exchange: Exchange) => void,
    expectedBytes?: (start: Uint8Array) => number,
  ): void {
    this.inner.bufferBody(
      maxBytes,
      (bytes) => done(bytes, this),
      () => over(this),
      expectedBytes,
    );
  }
  tryReserve(bytes: number): boolean {
    return this.inner.tryReserve(bytes);
  }
  release(bytes: number): void {
    this.inner.release(bytes);
  }
  respond(head: ResponseHead, body: Piece, trailers?: readonly Field[]): void {
    this.inner.respond(head, body, trailers);
  }
  start(head: ResponseHead): void {
    this.inner.start(head);
  }
  write(piece: Piece): Promise<void> | undefined {
    return this.inner.write(piece);
  }
  end(trailers?: readonly Field[]): void {
    this.inner.end(trailers);
  }
  reset(reason?: ResetReason): void {
    this.inner.reset(reason);
  }
}
