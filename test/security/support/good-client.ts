/** A well-behaved client over both HTTP versions: quick and slow calls, on connections with keep-alive. */
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { Health } from "../../../gen/health/v1/health_pb.ts";
import { AUTHORITY } from "../../support/certificates.ts";
import { Echo } from "../../support/protos.ts";

/** Longer than the times that attacks shorten: a client that waits for a handler must not be stopped. */
const SLOW_MS = 300;

/** The minimum of quick calls, even if the attack is short. */
const LEAST_CALLS = 20;

export class GoodClient {
  calls = 0;
  readonly failures: unknown[] = [];
  readonly #agent: HttpAgent;
  readonly #session: Http2SessionManager;
  readonly #quick: readonly (() => Promise<unknown>)[];
  readonly #slow: readonly (() => Promise<unknown>)[];
  #going = true;
  #loops: Promise<unknown> = Promise.resolve();

  /** Creates a client that calls Echo, or only asks for the server's health. */
  constructor(baseUrl: string, calls: "echo" | "health" = "echo") {
    const options = { keepAlive: true, maxSockets: 2, ca: AUTHORITY.cert };
    this.#agent = baseUrl.startsWith("https:") ? new HttpsAgent(options) : new HttpAgent(options);
    this.#session = new Http2SessionManager(baseUrl, undefined, { ca: AUTHORITY.cert });
    const transports = [
      createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions: { agent: this.#agent } }),
      createGrpcTransport({ baseUrl, sessionManager: this.#session }),
    ];
    if (calls === "health") {
      const clients = transports.map((transport) => createClient(Health, transport));
      this.#quick = clients.map((client) => () => client.check({}));
      this.#slow = [];
    } else {
      const clients = transports.map((transport) => createClient(Echo, transport));
      this.#quick = clients.map((client) => () => client.say({ value: "hello" }));
      this.#slow = clients.map((client) => () => client.say({ value: `slow ${SLOW_MS}` }));
    }
  }

  /** Opens the connections. */
  async connect(): Promise<void> {
    for (const call of this.#quick) for (let i = 0; i < 40; i++) await Promise.all([call(), call()]);
  }

  /** Makes calls until `stop`. */
  start(): void {
    const quick = this.#quick.map((call) => this.#loop(call, LEAST_CALLS));
    this.#loops = Promise.all([...quick, ...this.#slow.map((call) => this.#loop(call, 1))]);
  }

  /** Stops. Resolves when all calls in flight have ended. */
  async stop(): Promise<void> {
    this.#going = false;
    await this.#loops;
  }

  /** Closes the connections. */
  close(): void {
    this.#agent.destroy();
    this.#session.abort();
  }

  async #loop(call: () => Promise<unknown>, least: number): Promise<void> {
    for (let calls = 0; this.#going || calls < least; calls++) {
      this.calls++;
      await call().catch((error: unknown) => this.failures.push(error));
      await sleep(5);
    }
  }
}
