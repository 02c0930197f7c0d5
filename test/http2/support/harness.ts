/** A connection without a socket. A test passes bytes to it, reads the frames that it sends, and sets its time. */
import type { ConnectionPeer, Exchange, Handler, Peer, ResponseHead } from "../../../src/server/http/exchange.ts";
import { Connection } from "../../../src/server/http2/connection.ts";
import { ServerState } from "../../../src/server/http2/server-state.ts";
import { Budget } from "../../../src/server/limits/budget.ts";
import { DEFAULT_LIMITS, type LimitName, type Limits } from "../../../src/server/limits/limits.ts";
import { QueuedResponses } from "../../../src/server/limits/queued-responses.ts";
import { describeFrame, type Frame, HANDSHAKE, splitFrames } from "./frames.ts";

/** The time of day at which each harness begins. */
const START = Date.UTC(2030, 0, 1);
export const OK: ResponseHead = Object.freeze({ status: 200, fields: Object.freeze([]) });

const PEER: ConnectionPeer = { address: undefined, port: undefined, certificate: undefined, of: () => PEER };

/** Responds with the body of the request. */
export const echo: Handler = (exchange) => {
  exchange.bufferBody(
    1 << 20,
    (bytes) => exchange.respond(OK, Uint8Array.from(bytes)),
    () => exchange.respond({ status: 413, fields: [] }, new Uint8Array(0)),
  );
};

export class Harness {
  readonly server: ServerState;
  readonly connection: Connection;
  /** The errors that are not the peer's fault. */
  readonly errors: unknown[] = [];
  /** The limits that were exceeded. */
  readonly limits: LimitName[] = [];
  /** The peers whose calls must end. */
  readonly endedPeers: Peer[] = [];
  /** The exchanges of all requests, in their order. */
  readonly exchanges: Exchange[] = [];
  #rest: Buffer = Buffer.alloc(0);

  /** Opens a connection to a server of its own, or to that of `other`. */
  constructor(handler: Handler = echo, limits: Partial<Limits> = {}, other?: Harness) {
    const all = { ...DEFAULT_LIMITS, ...limits };
    this.server =
      other?.server ??
      new ServerState({
        handler: (exchange) => {
          this.exchanges.push(exchange);
          handler(exchange);
        },
        limits: all,
        buffered: new Budget(all.bufferedBytes),
        queued: new QueuedResponses(all, (limit) => this.limits.push(limit)),
        onError: (error) => this.errors.push(error),
        onLimit: (limit) => this.limits.push(limit),
        endExchanges: (peer) => this.endedPeers.push(peer),
      });
    this.server.time.set(0, () => START);
    this.connection = new Connection(this.server, PEER, () => {});
  }

  /** Returns a harness whose peers have exchanged SETTINGS. */
  static settled(handler?: Handler, limits?: Partial<Limits>): Harness {
    const harness = new Harness(handler, limits);
    harness.send(HANDSHAKE);
    return harness;
  }

  /** Passes bytes to the connection. Returns the frames that it sends, as `describeFrame` describes them. */
  send(...bytes: Buffer[]): string[] {
    const chunk = Buffer.concat(bytes);
    this.connection.receive(chunk);
    chunk.fill(0xee); // the connection must have copied all that it keeps
    return this.sent();
  }

  /** Lets time pass and checks the timeouts. Returns the frames that the connection sends. */
  advance(ms: number): string[] {
    const now = this.server.time.now + ms;
    this.server.time.set(now, () => START + now);
    this.connection.checkTimeouts();
    this.server.early.check();
    return this.sent();
  }

  /** Takes the frames that the connection has sent since they were last taken. Returns their descriptions. */
  sent(): string[] {
    return this.frames().map(describeFrame);
  }

  /** Takes the frames that the connection has sent since they were last taken. */
  frames(): Frame[] {
    const { frames, rest } = splitFrames(Buffer.concat([this.#rest, this.bytes()]));
    this.#rest = rest;
    return frames;
  }

  /** Takes the bytes that the connection has sent since they were last taken. */
  bytes(): Buffer {
    const parts: Buffer[] = [];
    for (let part = this.connection.takeOutput(); part !== undefined; part = this.connection.takeOutput()) {
      parts.push(Buffer.from(part));
      this.connection.releaseOutput(part);
      this.connection.setUnsentBytes(0);
    }
    return Buffer.concat(parts);
  }
}
