/** An exchange that passes everything on to another: the base of those that change the answer on its way. */
import type { Exchange, Field, ResponseHead } from "./exchange.ts";

export class WrappedExchange implements Exchange {
  protected readonly inner: Exchange;

  constructor(inner: Exchange) {
    this.inner = inner;
  }

  get request() {
    return this.inner.request;
  }
  get body() {
    return this.inner.body;
  }
  get onAbandoned() {
    return this.inner.onAbandoned;
  }
  set onAbandoned(listener) {
    this.inner.onAbandoned = listener;
  }
  respond(head: ResponseHead, body: Uint8Array): void {
    this.inner.respond(head, body);
  }
  start(head: ResponseHead): void {
    this.inner.start(head);
  }
  write(piece: Uint8Array): Promise<void> | undefined {
    return this.inner.write(piece);
  }
  end(trailers?: readonly Field[]): void {
    this.inner.end(trailers);
  }
  reset(): void {
    this.inner.reset();
  }
}
