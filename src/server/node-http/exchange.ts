/** The exchange over a request and a response of Node's HTTP/1.1 or HTTP/2 server. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import {
  type BodyReader,
  type CancelListener,
  callListener,
  type Exchange,
  type Field,
  joined,
  type NodeMessages,
  type Peer,
  type Piece,
  type RequestHead,
  type ResetReason,
  type ResponseHead,
} from "../http/exchange.ts";
import { bufferedBytesMessage } from "../http/limit-messages.ts";
import { processNow } from "../limits/process-clock.ts";
import { SocketPeer } from "../listener/socket-peer.ts";
import { NodeBodyReader } from "./body-reader.ts";
import { type BodyOwner, BufferedBody } from "./buffered-body.ts";
import type { NodeConnection, NodeRequest } from "./connection.ts";
import { closeAfter, discardRest, hasBody, hasEnded, holdResponse, streamOf } from "./early-response.ts";
import { ListenerRequest } from "./listener-request.ts";
import { latin1, PIECE_BYTES, RESET_CODES, ResponseWriter } from "./response.ts";

export class NodeExchange implements BodyOwner, NodeRequest {
  readonly request: RequestHead;
  readonly startedAt = performance.now();
  readonly exactStartedAt = this.startedAt;
  receivingSince = processNow(this.startedAt);
  #onCancelled: CancelListener | undefined;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #connection: NodeConnection;
  readonly #response: ResponseWriter;
  #reading: BufferedBody | NodeBodyReader | undefined;
  /** Sends the early response that is held. Undefined if none is held. */
  #sendHeld: (() => void) | undefined;
  /** True if the handler can send nothing more: its response is complete, or the exchange is cancelled. */
  #isFinished = false;
  #isCancelled = false;
  #isListening = false;
  /** True if the connection closes after the response, before the rest of the request. */
  #closesConnection = false;

  constructor(request: RequestHead, req: IncomingMessage, res: ServerResponse, connection: NodeConnection) {
    this.#req = req;
    this.#res = res;
    this.#connection = connection;
    this.#response = new ResponseWriter(res, connection);
    this.request = request;
    connection.requests.add(this);
    connection.newest = this;
    if (!connection.isExclusive) this.#listen();
  }

  /** Listens to the end of the response. On an exclusive connection, most responses end before anything needs the listeners. */
  #listen(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    // Without listeners, an error would end the process. Each error is followed by "close" of the response.
    this.#req.on("error", ignore);
    this.#res.on("error", ignore);
    // Over HTTP/2, Node does not emit "close" for the response to HEAD if the client leaves.
    (streamOf(this.#res) ?? this.#res).on("close", () => this.closed());
  }

  get isComplete(): boolean {
    return this.#req.complete;
  }

  get isBlocked(): boolean {
    return this.#res.socket === null;
  }

  cancel(): void {
    this.#res.destroy();
    this.#res.emit("close"); // Node does not emit "close" here, but writers wait for it
    this.closed();
  }

  closed(): void {
    const { requests, receiving } = this.#connection;
    requests.delete(this);
    // Otherwise an idle connection would keep its previous request and response alive: 3 KiB of heap, 6 KiB in total.
    if (this.#connection.newest === this && !this.hasBody) this.#connection.newest = undefined;
    if (!this.#isFinished) receiving.delete(this);
    this.#response.close();
    this.#reading?.stop();
    this.#sendHeld = undefined;
    this.#cancelHandler();
  }

  /** Cancels the exchange, unless its handler has finished it. `status` is that of `CancelListener`. */
  #cancelHandler(status?: number): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#isCancelled = true;
    callListener(this.#onCancelled, status);
  }

  /** True if the handler cannot begin a response any more. Another user of Node's response may have begun one. */
  #isOver(): boolean {
    if (!this.#isFinished && this.#res.headersSent) this.#cancelHandler();
    return this.#isFinished;
  }

  get onCancelled(): CancelListener | undefined {
    return this.#onCancelled;
  }

  set onCancelled(listener: CancelListener | undefined) {
    this.#onCancelled = listener;
    if (this.#isCancelled) callListener(listener);
  }

  get peer(): Peer {
    return (this.#connection.peer ?? new SocketPeer(this.#req.socket)).of(this.request);
  }

  get hasBody(): boolean {
    return !hasEnded(this.#req, this.#res, this.request);
  }

  get body(): AsyncIterable<Uint8Array> {
    // By default, Node destroys the request and its response if the reader stops before the end.
    return this.#req.iterator({ destroyOnReturn: false });
  }

  readBody(onReadable: () => void): BodyReader {
    this.#reading = new NodeBodyReader(this.#req, onReadable);
    return this.#reading;
  }

  bufferBody(...[maxBytes, done, over]: Parameters<Exchange["bufferBody"]>): void {
    this.#connection.receiving.add(this);
    this.#reading = new BufferedBody(this.#req, this, maxBytes, done, over);
  }

  bodyReceived(): void {
    this.#connection.receiving.delete(this);
  }

  bodyBuffered(body: Uint8Array, done: (bytes: Uint8Array, exchange: Exchange) => void): void {
    done(body, this);
  }

  bodyTooLarge(over: (exchange: Exchange) => void): void {
    over(this);
  }

  outOfMemory(): void {
    this.#respondInstead(503);
  }

  tryReserve(bytes: number): boolean {
    const { buffered, limits, onLimit } = this.#connection.context;
    if (buffered.tryReserve(bytes)) return true;
    onLimit("bufferedBytes", bufferedBytesMessage(limits));
    return false;
  }

  release(bytes: number): void {
    this.#connection.context.buffered.release(bytes);
  }

  refuse(status: number): void {
    if (this.#isFinished || this.#res.headersSent) {
      this.reset();
      return;
    }
    this.#closesConnection = true;
    this.#res.shouldKeepAlive = false;
    if (this.#sendHeld === undefined) this.#respondInstead(status);
    else this.#sendHeld();
  }

  /** Responds without a body, in place of the handler. */
  #respondInstead(status: number): void {
    this.#listen();
    this.#reading?.stop();
    // 400: the rest of the request is malformed, usually because the client has left.
    this.#cancelHandler(status === 400 ? undefined : status);
    this.#res.statusCode = status;
    this.#announceClose();
    this.#finish();
  }

  respond(head: ResponseHead, piece: Piece, trailers: readonly Field[] = []): void {
    if (this.#isOver()) return;
    const body = joined(piece);
    const { isClosing, context } = this.#connection;
    const isDue = isClosing || hasEnded(this.#req, this.#res, this.request);
    if (isDue && !isClosing && trailers.length === 0 && this.#response.trySendWhole(head, body)) {
      this.#isFinished = true;
      this.#req.resume();
      // If the kernel has taken the whole response, nothing is left to wait for.
      if (this.#connection.isExclusive && !this.#response.isQueued) this.closed();
      else this.#listen();
      return;
    }
    this.#listen();
    // Both calls come before anything is sent, because Node throws if a field cannot be sent.
    this.#response.setTrailers(trailers);
    this.#response.setHead(head);
    if (isDue) this.#send(body, trailers);
    else {
      this.#reading?.stop();
      this.#sendHeld = holdResponse(this.#req, this.#res, context.limits, () => {
        this.#sendHeld = undefined;
        this.#send(body, trailers);
      });
    }
  }

  #send(body: Uint8Array, trailers: readonly Field[]): void {
    this.#announceClose();
    if (trailers.length > 0) {
      this.#response.sendHead();
      const written = this.write(body);
      if (written === undefined) this.end();
      else void written.then(() => this.end());
    } else if (body.length === 0) this.#finish();
    else if (body.length <= PIECE_BYTES) this.#finish(latin1(body));
    else {
      this.#isFinished = true;
      void this.#response.writeWhole(body).then(() => this.#finish());
    }
  }

  start(head: ResponseHead): void {
    if (this.#isOver()) return;
    this.#listen();
    this.#response.setHead(head);
    this.#announceClose();
    this.#response.sendHead();
  }

  write(piece: Piece): Promise<void> | undefined {
    return this.#isFinished ? undefined : this.#response.write(joined(piece));
  }

  end(trailers: readonly Field[] = []): void {
    if (this.#isFinished) return;
    this.#response.setTrailers(trailers);
    this.#finish();
  }

  reset(reason: ResetReason = "cancel"): void {
    const { stream } = this.#res as { stream?: Http2ServerResponse["stream"] };
    if (stream === undefined) this.#connection.destroy();
    else stream.close(RESET_CODES[reason]);
  }

  takeNodeMessages(onClosed: () => void): NodeMessages | undefined {
    if (streamOf(this.#res) !== undefined) return undefined;
    this.#listen();
    this.#isFinished = true;
    this.#connection.requests.delete(this);
    const messages = { req: this.#req, res: this.#res };
    new ListenerRequest(this, messages, this.#connection, onClosed);
    return messages;
  }

  /**
   * Adds `Connection: close` if the connection must close, this request is its newest, and no more of the request's body
   * will follow. If an earlier response had the field, Node would close the connection without responding to the later
   * requests.
   */
  #announceClose(): void {
    const { isClosing, newest } = this.#connection;
    if (isClosing && newest === this && (this.#req.complete || !hasBody(this.request)))
      this.#res.shouldKeepAlive = false;
  }

  /** Ends the response. `body` is the whole body as latin1; undefined if the body is empty or was written already. */
  #finish(body?: string): void {
    this.#isFinished = true;
    this.#reading?.stop();
    this.#response.end(body);
    this.#discardRest();
  }

  /** Discards the rest of the request, so that the client gets the response. After `refuse`, closes the connection. */
  #discardRest(): void {
    if (this.#closesConnection) closeAfter(this.#res);
    else if (!hasEnded(this.#req, this.#res, this.request)) {
      const { receiving, context } = this.#connection;
      this.receivingSince = processNow();
      receiving.add(this);
      discardRest(this.#req, this.#res, context, () => receiving.delete(this));
    }
    this.#req.resume();
  }
}

function ignore(): void {}
