/** The exchange over Node's (req, res), which node:http and node:http2 share. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Exchange, Field, Handler, RequestHead, ResetReason, ResponseHead } from "./exchange.ts";
import { NodeRequestHeads } from "./node-request-head.ts";

/** A body of up to so many bytes is given to Node as a string, which it writes together with the head. */
const ONE_WRITE_BYTES = 16_384;
/** HTTP/2's error codes (RFC 9113, 7). */
const RESET_CODES = { cancel: 0x8, internal: 0x2, refused: 0x7 } as const satisfies Record<ResetReason, number>;

/**
 * A request listener for Node's http and http2 servers that gives each request to the handler. Of a request that is
 * answered before its end, up to discardedBytes are read and thrown away; over that the connection is cut.
 */
export function nodeListener(
  handler: Handler,
  discardedBytes: number,
): (req: IncomingMessage | Http2ServerRequest, res: ServerResponse | Http2ServerResponse) => void {
  const heads = new NodeRequestHeads();
  return (request, response) => {
    // Node's HTTP/2 objects have the methods of HTTP/1.1's that are used here.
    const req = request as IncomingMessage;
    handler(new NodeExchange(heads.of(req), req, response as ServerResponse, discardedBytes));
  };
}

class NodeExchange implements Exchange {
  readonly request: RequestHead;
  #onAbandoned: (() => void) | undefined;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #discardedBytes: number;
  /** Nothing more can be sent: the answer is ended or the peer is gone. */
  #done = false;
  /** The peer was gone first. */
  #abandoned = false;

  constructor(request: RequestHead, req: IncomingMessage, res: ServerResponse, discardedBytes: number) {
    this.#req = req;
    this.#res = res;
    this.#discardedBytes = discardedBytes;
    this.request = request;
    // Unheard, an error would end the process. What broke also closes the response, and that is heard.
    req.on("error", ignore);
    res.on("error", ignore);
    res.on("close", () => {
      if (this.#done) return;
      this.#done = true;
      this.#abandoned = true;
      this.#onAbandoned?.();
    });
  }

  get onAbandoned(): (() => void) | undefined {
    return this.#onAbandoned;
  }

  set onAbandoned(listener: (() => void) | undefined) {
    this.#onAbandoned = listener;
    if (this.#abandoned) listener?.();
  }

  get body(): AsyncIterable<Uint8Array> {
    // Destroying the request where its reader stops would take the answer with it.
    return this.#req.iterator({ destroyOnReturn: false });
  }

  gather(
    maxBytes: number,
    done: (bytes: Uint8Array, exchange: Exchange) => void,
    over: (exchange: Exchange) => void,
  ): void {
    const pieces: Buffer[] = [];
    let size = 0;
    const onData = (piece: Buffer): void => {
      pieces.push(piece);
      size += piece.length;
      if (size <= maxBytes) return;
      this.#req.off("data", onData).off("end", onEnd).pause();
      this.#req.unshift(Buffer.concat(pieces));
      over(this);
    };
    const onEnd = (): void => done(pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces), this);
    this.#req.on("data", onData).on("end", onEnd);
  }

  respond(head: ResponseHead, body: Uint8Array, trailers: readonly Field[] = []): void {
    if (trailers.length > 0) {
      this.start(head);
      this.write(body);
      this.end(trailers);
    } else if (!this.#done) {
      this.#setHead(head);
      if (body.length === 0) this.#finish();
      else if (body.length > ONE_WRITE_BYTES) this.#finish(body);
      else this.#finish(Buffer.from(body.buffer, body.byteOffset, body.length).toString("latin1"));
    }
  }

  start(head: ResponseHead): void {
    if (this.#done) return;
    this.#setHead(head);
    this.#res.writeHead(head.status);
  }

  write(piece: Uint8Array): Promise<void> | undefined {
    if (this.#done || this.#res.write(piece)) return undefined;
    return new Promise((resolve) => {
      const settle = (): void => {
        this.#res.off("drain", settle).off("close", settle);
        resolve();
      };
      this.#res.on("drain", settle).on("close", settle);
    });
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

  #setHead({ status, fields }: ResponseHead): void {
    this.#res.statusCode = status;
    for (const [name, value] of fields) this.#res.appendHeader(name, value);
  }

  /** Ends it, with bytes or with a string that has one of them in each character. */
  #finish(body?: Uint8Array | string): void {
    this.#done = true;
    this.#res.end(body, "latin1");
    this.#discard();
  }

  /** Lets the peer finish what it sends, or it would not get to read the answer. */
  #discard(): void {
    let left = this.#discardedBytes;
    if (!this.#req.complete) {
      this.#req.on("data", (piece: Buffer) => {
        left -= piece.length;
        if (left < 0) this.#req.destroy();
      });
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
