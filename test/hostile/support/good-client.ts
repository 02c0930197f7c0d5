/** A well-behaved client over both HTTP versions: quick calls and slow ones, on connections that it keeps. */
import { Agent } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { Echo } from "../../support/protos.ts";

const QUICK = "hello";
/** Longer than the times that the attacks shorten: who waits for a handler is no attacker. */
const SLOW = "slow 300";

export class GoodClient {
  calls = 0;
  readonly failures: unknown[] = [];
  readonly #clients: readonly Client<typeof Echo>[];
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 2 });
  readonly #session: Http2SessionManager;
  #going = true;
  #loops: Promise<unknown> = Promise.resolve();

  constructor(authority: string) {
    const baseUrl = `http://${authority}`;
    this.#session = new Http2SessionManager(baseUrl);
    this.#clients = [
      createConnectTransport({
        baseUrl,
        httpVersion: "1.1",
        useBinaryFormat: false,
        nodeOptions: { agent: this.#agent },
      }),
      createGrpcTransport({ baseUrl, sessionManager: this.#session }),
    ].map((transport) => createClient(Echo, transport));
  }

  /** Opens its connections. */
  async connect(): Promise<void> {
    for (const client of this.#clients) {
      for (let i = 0; i < 40; i++) await Promise.all([client.say({ value: QUICK }), client.say({ value: QUICK })]);
    }
  }

  /** Begins to call, until it is told to stop. */
  start(): void {
    this.#loops = Promise.all(this.#clients.flatMap((client) => [this.#loop(client, QUICK), this.#loop(client, SLOW)]));
  }

  /** Settles when the calls under way are answered. */
  async stop(): Promise<void> {
    this.#going = false;
    await this.#loops;
  }

  /** Closes its connections. */
  close(): void {
    this.#agent.destroy();
    this.#session.abort();
  }

  async #loop(client: Client<typeof Echo>, text: string): Promise<void> {
    do {
      this.calls++;
      try {
        const { value } = await client.say({ value: text });
        if (value !== text) throw new Error(`${text} was answered ${value}`);
      } catch (error) {
        this.failures.push(error);
      }
      await sleep(5);
    } while (this.#going);
  }
}
