/** A peer that sends raw bytes, and reports in words what the server sent. */
import { once } from "node:events";
import net, { type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import { FrameType } from "../../../src/server/http2/frames/types.ts";
import { describeFrame, type Frame, splitFrames } from "../../http2/support/frames.ts";
import { AUTHORITY } from "../../support/certificates.ts";

/** Milliseconds in which a working server responds. */
const ANSWER_MS = 20_000;

export class Peer {
  readonly socket: Socket;
  /** Bytes received from the server. */
  received = 0;
  readonly #http: "1.1" | "2";
  /** Milliseconds to wait for an event that may not come. */
  readonly #patience: number;
  readonly #closed: Promise<unknown>;
  readonly #words = new Map<string, number>();
  #rest: Buffer = Buffer.alloc(0);

  readonly #tcp: Socket;

  private constructor(socket: Socket, tcp: Socket, http: "1.1" | "2", patience: number) {
    this.socket = socket;
    this.#tcp = tcp;
    this.#http = http;
    this.#patience = patience;
    this.#closed = new Promise((resolve) => socket.on("close", resolve));
    socket.on("error", () => {}); // the server may reset the connection
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
  }

  /** Connects to a URL. With `bare`, does not make the TLS handshake. */
  static async connect(url: string, http: "1.1" | "2", patience: number, bare = false): Promise<Peer> {
    const { protocol, hostname, port } = new URL(url);
    const tcp = net.connect({ host: hostname, port: Number(port), noDelay: true });
    if (protocol === "http:" || bare) {
      const peer = new Peer(tcp, tcp, http, patience);
      await once(tcp, "connect");
      return peer;
    }
    const ALPNProtocols = [http === "2" ? "h2" : "http/1.1"];
    const socket = tls.connect({ socket: tcp, host: hostname, ca: AUTHORITY.cert, ALPNProtocols });
    const peer = new Peer(socket, tcp, http, patience);
    await once(socket, "secureConnect");
    return peer;
  }

  get open(): boolean {
    return !this.socket.destroyed && this.socket.writable;
  }

  /** Ends the connection with RST. */
  reset(): void {
    this.#tcp.resetAndDestroy();
  }

  send(...bytes: (Uint8Array | string)[]): void {
    if (this.open) this.socket.write(Buffer.concat(bytes.map((each) => Buffer.from(each as string, "latin1"))));
  }

  /** Sends the pieces one after the other, `apart` milliseconds apart, until its patience or the connection ends. */
  async trickle(pieces: Iterable<Uint8Array | string>, apart: number): Promise<void> {
    const end = Date.now() + this.#patience;
    for (const piece of pieces) {
      if (!this.open || Date.now() > end) return;
      this.send(piece);
      await Promise.race([this.#closed, sleep(apart)]);
    }
  }

  /** Sends `count` pieces as fast as the server reads them, until the connection is closed. */
  async flood(count: number, make: (i: number) => Uint8Array | string): Promise<void> {
    for (let sent = 0; sent < count && this.open; sent += 500) {
      this.send(...Array.from({ length: Math.min(500, count - sent) }, (_, i) => make(sent + i)));
      if (this.socket.writableNeedDrain)
        await new Promise((resolve) => this.socket.once("drain", resolve).once("close", resolve));
      else await sleep(0);
    }
  }

  /** Returns the number of frames or statuses of this name that the server sent. */
  count(word: string): number {
    return this.#words.get(word) ?? 0;
  }

  /** Waits until the server sent the word so many times. Throws if the connection closes before. */
  async saw(word: string, times = 1): Promise<void> {
    await this.sawOrClosed(word, times);
    if (this.count(word) < times) throw new Error(`wait for "${word}": the server sent ${this.seen()}`);
  }

  /** Waits until the server sent the word so many times or closed the connection. Throws if it does neither in time. */
  async sawOrClosed(word: string, times = 1): Promise<void> {
    const end = Date.now() + ANSWER_MS;
    while (this.count(word) < times && !this.socket.destroyed) {
      if (Date.now() > end) throw new Error(`wait for "${word}": ${this.count(word)} of ${times} in ${ANSWER_MS} ms`);
      await sleep(2);
    }
  }

  /** Waits until the server closes the connection, or patience ends. Returns `seen`. */
  async ending(): Promise<string> {
    await Promise.race([this.#closed, sleep(this.#patience, undefined, { ref: false })]);
    return this.seen();
  }

  /** Waits until the server sends one of the words or closes the connection, or patience ends. Returns `seen`. */
  async endingWith(...words: string[]): Promise<string> {
    const end = Date.now() + this.#patience;
    while (!words.some((word) => this.count(word) > 0) && !this.socket.destroyed && Date.now() < end) await sleep(2);
    return this.seen();
  }

  /** Returns all different words so far, and "open" or "closed". */
  seen(): string {
    const words = [...this.#words.keys()].filter((word) => !word.endsWith(" ack"));
    return [...words, this.socket.closed ? "closed" : "open"].join(", ");
  }

  #read(chunk: Buffer): void {
    this.received += chunk.length;
    const bytes = Buffer.concat([this.#rest, chunk]);
    if (this.#http === "1.1") {
      const text = bytes.toString("latin1");
      for (const [, status = ""] of text.matchAll(/HTTP\/1\.1 (\d{3})/g)) this.#say(status);
      this.#rest = Buffer.from(text.slice(-11).replace(/HTTP\/1\.1 \d{3}/, ""), "latin1");
    } else {
      const { frames, rest } = splitFrames(bytes);
      for (const one of frames) this.#say(wordOf(one));
      this.#rest = rest;
    }
  }

  #say(word: string | undefined): void {
    if (word !== undefined) this.#words.set(word, this.count(word) + 1);
  }
}

/** Returns a frame as a word, without its stream: a status, or a frame's name with its error code. */
function wordOf(one: Frame): string | undefined {
  const [, ...words] = describeFrame(one).split(" ");
  if (one.type === FrameType.Headers) return words[1] === "trailers" ? undefined : words[1];
  if (one.type === FrameType.RstStream) return `RST_STREAM ${words[1]}`;
  if (one.type === FrameType.Goaway) return `GOAWAY ${words[1]?.replace(":", "")}`;
  if (one.type === FrameType.Ping) return one.flags === 0 ? "PING" : "PING ack";
  if (one.type === FrameType.Settings) return one.flags === 0 ? undefined : "SETTINGS ack";
  return undefined;
}
