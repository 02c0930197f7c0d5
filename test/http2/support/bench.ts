/** A connection on the bench: bytes in, bytes out, and a time that stands still until it is told to go on. */

import type { Exchange, Handler, Peer, ResponseHead } from "../../../src/server/http/exchange.ts";
import { Connection } from "../../../src/server/http2/connection.ts";
import { ServerState } from "../../../src/server/http2/server-state.ts";
import { Budget } from "../../../src/server/limits/budget.ts";
import { DEFAULT_LIMITS, type LimitName, type Limits } from "../../../src/server/limits/limits.ts";
import { QueuedResponses } from "../../../src/server/limits/queued-responses.ts";
import { type Frame, HELLO, inWords, split } from "./wire.ts";

const WALL = Date.UTC(2030, 0, 1);
export const OK: ResponseHead = Object.freeze({ status: 200, fields: Object.freeze([]) });

const NOBODY: Peer = { address: undefined, port: undefined, certificate: undefined };

/** Answers with the body that came. */
export const echo: Handler = (exchange) => {
  exchange.bufferBody(
    1 << 20,
    (bytes) => exchange.respond(OK, Uint8Array.from(bytes)),
    () => exchange.respond({ status: 413, fields: [] }, new Uint8Array(0)),
  );
};

export class Bench {
  readonly server: ServerState;
  readonly connection: Connection;
  /** What was no peer's fault. */
  readonly errors: unknown[] = [];
  /** The limits that were met. */
  readonly limits: LimitName[] = [];
  readonly exchanges: Exchange[] = [];
  #rest: Buffer = Buffer.alloc(0);

  /** `beside` is a connection of the same server. */
  constructor(handler: Handler = echo, limits: Partial<Limits> = {}, beside?: Bench) {
    const all = { ...DEFAULT_LIMITS, ...limits };
    this.server =
      beside?.server ??
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
      });
    this.server.time.set(0, () => WALL);
    this.connection = new Connection(this.server, NOBODY, () => {});
  }

  /** One that has exchanged SETTINGS. */
  static settled(handler?: Handler, limits?: Partial<Limits>): Bench {
    const bench = new Bench(handler, limits);
    bench.send(HELLO);
    return bench;
  }

  /** Sends bytes; gives what the connection says, in words. */
  send(...bytes: Buffer[]): string[] {
    this.connection.receive(Buffer.concat(bytes));
    return this.words();
  }

  /** What it said since it was last asked. */
  words(): string[] {
    return this.frames().map(inWords);
  }

  frames(): Frame[] {
    const { frames, rest } = split(Buffer.concat([this.#rest, this.bytes()]));
    this.#rest = rest;
    return frames;
  }

  bytes(): Buffer {
    const parts: Buffer[] = [];
    for (let part = this.connection.takeOutput(); part !== undefined; part = this.connection.takeOutput()) {
      parts.push(part);
      this.connection.setUnsentBytes(0);
    }
    return Buffer.concat(parts);
  }

  /** Lets time pass, and lets the connection look at it. */
  pass(ms: number): string[] {
    const now = this.server.time.now + ms;
    this.server.time.set(now, () => WALL + now);
    this.connection.checkTimeouts();
    this.server.early.check();
    return this.words();
  }
}
