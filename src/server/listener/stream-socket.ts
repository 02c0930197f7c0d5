/** Serves connections over any stream of bytes, such as an in-memory pair or a channel of another protocol. */
import { Socket } from "node:net";
import { Duplex } from "node:stream";
import { LINGER_MS } from "./lingering-close.ts";

/** Throws TypeError if `stream` is not a Duplex stream of bytes. */
export function refuseOtherStreams(stream: Duplex): void {
  if (typeof stream?.write !== "function" || typeof stream.read !== "function")
    throw new TypeError(`accept a connection: ${typeof stream} is not a Duplex stream`);
  if (stream.readableObjectMode || stream.writableObjectMode)
    throw new TypeError("accept a connection: the stream is in object mode, and must be a stream of bytes");
  if (stream.readableEncoding != null)
    throw new TypeError(`accept a connection: the stream decodes ${stream.readableEncoding}, and must return bytes`);
}

/** Returns a socket over `stream`: the stream itself if it is a socket, plain or TLS. */
export function asSocket(stream: Duplex): Socket {
  return stream instanceof Socket ? stream : (new StreamSocket(stream) as Duplex as Socket);
}

/** A stream with the members of `net.Socket` that the server, node:http and node:http2 use. Owns the stream below. */
class StreamSocket extends Duplex {
  readonly #stream: Duplex;
  #sentBytes = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(stream: Duplex) {
    super();
    this.#stream = stream;
    // Otherwise the stream would end its side as soon as the peer has, before the response.
    stream.allowHalfOpen = true;
    stream.on("data", (chunk: Buffer) => {
      this.#idle?.refresh();
      if (!this.push(chunk)) stream.pause();
    });
    stream.on("end", () => this.#onEnd());
    stream.on("error", () => {}); // the "close" event follows
    stream.on("close", () => this.destroy());
    stream.pause();
  }

  /** The IP address of the peer, if the stream knows it. */
  get remoteAddress(): string | undefined {
    return (this.#stream as Partial<Socket>).remoteAddress;
  }

  get remotePort(): number | undefined {
    return (this.#stream as Partial<Socket>).remotePort;
  }

  /** As in `net.Socket`, counts the bytes that wait too. */
  get bytesWritten(): number {
    return this.#sentBytes + this.writableLength;
  }

  /** Emits "timeout" when no byte has been received or sent for `ms`. 0 turns this off. */
  setTimeout(ms: number): this {
    clearTimeout(this.#idle);
    this.#idle = ms > 0 ? setTimeout(() => this.emit("timeout"), ms).unref() : undefined;
    return this;
  }

  /** Does nothing: only TCP has this option. */
  setNoDelay(): this {
    return this;
  }

  /** Does nothing: only TCP has this option. */
  setKeepAlive(): this {
    return this;
  }

  /** Ends the stream, and destroys it when everything is sent. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }

  #onEnd(): void {
    this.push(null);
    // The other side of an in-memory pair may be destroyed, and would then never take the remaining bytes.
    if (!this.allowHalfOpen) setTimeout(() => this.destroy(), LINGER_MS).unref();
  }

  override _read(): void {
    this.#stream.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#stream.write(chunk, (error) => {
      this.#idle?.refresh();
      this.#sentBytes += chunk.length;
      done(error);
    });
  }

  override _final(done: (error?: Error | null) => void): void {
    // The other side of an in-memory pair may be destroyed, and would then never take the end.
    const late = setTimeout(done, LINGER_MS).unref();
    this.#stream.end(() => {
      clearTimeout(late);
      done();
    });
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#idle);
    this.#stream.destroy();
    done(error);
  }
}
