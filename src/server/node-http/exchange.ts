/** The exchange over Node's (req, res), which node:http and node:http2 share. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Exchange, Field, Handler, Peer, RequestHead, ResetReason, ResponseHead } from "../http/exchange.ts";
import { processNow } from "../limits/process-clock.ts";
import { SocketPeer } from "../listener/socket-peer.ts";
import type { NodeConnection, NodeRequest } from "./connection.ts";
import { discardRest, endAfter, hasBody, hasEnded, holdResponse } from "./early-response.ts";
import { type BodyOwner, BufferedBody } from "./request-body.ts";
import { NodeRequestHeads } from "./request-head.ts";

/** A body of up to so many bytes is given to Node as a string, which it writes together with the head. */
const STEP_BYTES = 16_384;
/** HTTP/2's error codes (RFC 9113, 7). */
const RESET_CODES = { cancel: 0x8, internal: 0x2, refused: 0x7 } as const satisfies Record<ResetReason, number>;

/** Gives a request of Node's http or http2 server, which came on the connection, to the handler. */
export type NodeListener = (
  req: IncomingMessage | Http2ServerRequest,
  res: ServerResponse | Http2ServerResponse,
  connection: NodeConnection,
) => void;

export function createNodeListener(handler: Handler): NodeListener {
  const heads = new NodeRequestHeads();
  return (request, response, connection) => {
    // Node's HTTP/2 objects have the methods of HTTP/1.1's that are used here.
    const req = request as IncomingMessage;
    handler(new NodeExchange(heads.of(req), req, response as ServerResponse, connection));
  };
}

class NodeExchange implements BodyOwner, NodeRequest {
  readonly request: RequestHead;
  readonly startedAt = performance.now();
  awaitedSince = processNow(this.startedAt);
  #onCancelled: (() => void) | undefined;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #connection: NodeConnection;
  #buffered: BufferedBody | undefined;
  /** Bytes of the response that wait for the client. */
  #queued = 0;
  /** While a complete response waits for the request's end: sends it. */
  #sendHeld: (() => void) | undefined;
  /** Nothing more can be sent: the answer is ended or the peer is gone. */
  #done = false;
  /** The peer was gone first. */
  #abandoned = false;
  /** The connection ends with it, whatever the peer still sends. */
  #isLast = false;

  constructor(request: RequestHead, req: IncomingMessage, res: ServerResponse, connection: NodeConnection) {
    this.#req = req;
    this.#res = res;
    this.#connection = connection;
    this.request = request;
    connection.requests.add(this);
    connection.newest = this;
    // Unheard, an error would end the process. What broke also closes the response, and that is heard.
    req.on("error", ignore);
    res.on("error", ignore);
    res.on("close", () => this.#closed());
  }

  get isWhole(): boolean {
    return this.#req.complete;
  }

  get waitsForTurn(): boolean {
    return this.#res.socket === null;
  }

  abandon(): void {
    this.#res.destroy();
    this.#res.emit("close"); // which Node would not, and who waits to write waits for it
  }

  #closed(): void {
    const { requests, awaited } = this.#connection;
    requests.delete(this);
    // An idle connection would keep its last request and response: 3 KiB of heap, 6 KiB in all.
    if (this.#connection.newest === this && this.isWhole) this.#connection.newest = undefined;
    if (!this.#done) awaited.delete(this);
    this.#release(this.#queued);
    this.#buffered?.stop();
    this.#sendHeld = undefined;
    this.#abandonHandler();
  }

  #abandonHandler(): void {
    if (this.#done) return;
    this.#done = true;
    this.#abandoned = true;
    this.#onCancelled?.();
  }

  get onCancelled(): (() => void) | undefined {
    return this.#onCancelled;
  }

  set onCancelled(listener: (() => void) | undefined) {
    this.#onCancelled = listener;
    if (this.#abandoned) listener?.();
  }

  get peer(): Peer {
    return new SocketPeer(this.#req.socket);
  }

  get body(): AsyncIterable<Uint8Array> {
    // Destroying the request where its reader stops would take the answer with it.
    return this.#req.iterator({ destroyOnReturn: false });
  }

  bufferBody(
    maxBytes: number,
    done: (bytes: Uint8Array, exchange: Exchange) => void,
    over: (exchange: Exchange) => void,
  ): void {
    this.#connection.awaited.add(this);
    this.#buffered = new BufferedBody(this.#req, this, maxBytes, done, over);
  }

  bodyReceived(): void {
    this.#connection.awaited.delete(this);
  }

  outOfMemory(): void {
    this.#answerInstead(503);
  }

  tryReserve(bytes: number): boolean {
    const { buffered, limits, onLimit } = this.#connection.server;
    if (buffered.tryReserve(bytes)) return true;
    onLimit("bufferedBytes", `bodies exceed ${limits.bufferedBytes} bytes`);
    return false;
  }

  release(bytes: number): void {
    this.#connection.server.buffered.release(bytes);
  }

  refuse(status: number): void {
    if (this.#done || this.#res.headersSent) {
      this.reset();
      return;
    }
    this.#isLast = true;
    this.#res.shouldKeepAlive = false;
    if (this.#sendHeld === undefined) this.#answerInstead(status);
    else this.#sendHeld();
  }

  /** Answers in the handler's place. */
  #answerInstead(status: number): void {
    this.#buffered?.stop();
    this.#abandonHandler();
    this.#res.statusCode = status;
    this.#markLast();
    this.#finish();
  }

  respond(head: ResponseHead, body: Uint8Array, trailers: readonly Field[] = []): void {
    if (this.#done) return;
    // First, since these throw if the fields cannot be sent.
    if (trailers.length > 0) this.#res.addTrailers(valuesByName(trailers));
    this.#setFields(head);
    const { closing, server } = this.#connection;
    if (closing || hasEnded(this.#req, this.#res, this.request)) this.#send(body, trailers);
    else {
      this.#buffered?.stop();
      this.#sendHeld = holdResponse(this.#req, this.#res, server.limits, () => {
        this.#sendHeld = undefined;
        this.#send(body, trailers);
      });
    }
  }

  #send(body: Uint8Array, trailers: readonly Field[]): void {
    this.#markLast();
    if (trailers.length > 0) {
      this.#res.writeHead(this.#res.statusCode);
      this.#queueHead();
      const taken = this.write(body);
      if (taken === undefined) this.end();
      else void taken.then(() => this.end());
    } else if (body.length === 0) this.#finish();
    else if (body.length <= STEP_BYTES) {
      this.#finish(Buffer.from(body.buffer, body.byteOffset, body.length).toString("latin1"));
    } else {
      this.#done = true;
      if (!this.#res.hasHeader("content-length")) this.#res.setHeader("content-length", body.length);
      this.#queueHead();
      void this.#sendInSteps(body).then(() => this.#finish());
    }
  }

  start(head: ResponseHead): void {
    if (this.#done) return;
    this.#setFields(head);
    this.#markLast();
    this.#res.writeHead(head.status);
    this.#queueHead();
  }

  /**
   * Puts the head behind all that waits for this answer's turn. With a body of bytes Node would put it before that, and
   * a "100 Continue" between the two.
   */
  #queueHead(): void {
    if (this.#res.socket === null) this.#res.flushHeaders();
  }

  write(piece: Uint8Array): Promise<void> | undefined {
    if (!this.#done && piece.length > STEP_BYTES) return this.#sendInSteps(piece);
    if (this.#done || this.#res.write(piece)) return undefined;
    this.#queue(piece.length);
    return new Promise((resolve) => {
      const settle = (): void => {
        this.#release(piece.length);
        this.#res.off("drain", settle).off("close", settle);
        resolve();
      };
      this.#res.on("drain", settle).on("close", settle);
    });
  }

  /** Writes are told of when they are whole: in small ones it shows whether the peer takes a large piece. */
  async #sendInSteps(piece: Uint8Array): Promise<void> {
    this.#queue(piece.length);
    // Before its turn in the pipeline, Node would keep the callbacks, and forget them where the connection goes.
    if (this.#res.socket === null) {
      await new Promise<void>((resolve) => this.#res.once("socket", () => resolve()).once("close", resolve));
    }
    for (let at = 0; at < piece.length && !this.#res.destroyed; at += STEP_BYTES) {
      const step = piece.subarray(at, at + STEP_BYTES);
      await new Promise((written) => this.#res.write(step, written));
      this.#release(step.length);
    }
  }

  #queue(bytes: number): void {
    this.#queued += bytes;
    this.#connection.queue(bytes);
  }

  #release(bytes: number): void {
    const held = Math.min(bytes, this.#queued); // all is released when the response closes
    this.#queued -= held;
    this.#connection.queue(-held);
  }

  end(trailers: readonly Field[] = []): void {
    if (this.#done) return;
    if (trailers.length > 0) this.#res.addTrailers(valuesByName(trailers));
    this.#finish();
  }

  reset(reason: ResetReason = "cancel"): void {
    const { stream } = this.#res as { stream?: Http2ServerResponse["stream"] };
    if (stream === undefined) this.#req.socket.destroy();
    else stream.close(RESET_CODES[reason]);
  }

  #setFields({ status, fields }: ResponseHead): void {
    this.#res.statusCode = status;
    for (const [name, value] of fields) this.#res.appendHeader(name, value);
  }

  #markLast(): void {
    // It says that it is the last only where it is: Node would cut what the peer still sends, and the answers behind it.
    const { closing, newest } = this.#connection;
    const isLast = closing && newest === this && (this.#req.complete || !hasBody(this.request));
    if (isLast) this.#res.shouldKeepAlive = false;
  }

  /** Ends it, perhaps with a string that has a byte in each character. */
  #finish(body?: string): void {
    this.#done = true;
    this.#res.end(body, "latin1");
    // Behind other responses of a pipeline, or in the socket of a client that does not read.
    if (body !== undefined && (this.#res.socket?.writableLength ?? 1) > 0) this.#queue(body.length);
    this.#discard();
  }

  /** Lets the peer finish what it sends, or it would not get to read the answer. */
  #discard(): void {
    if (this.#isLast) endAfter(this.#res);
    else if (!hasEnded(this.#req, this.#res, this.request)) {
      const { awaited, server } = this.#connection;
      this.awaitedSince = processNow();
      awaited.add(this);
      discardRest(this.#req, this.#res, server, () => awaited.delete(this));
    }
    this.#req.resume();
  }
}

function ignore(): void {}

function valuesByName(fields: readonly Field[]): Record<string, string[]> {
  const values: Record<string, string[]> = Object.create(null);
  for (const [name, value] of fields) values[name] = [...(values[name] ?? []), value];
  return values;
}
