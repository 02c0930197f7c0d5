/** A load of every protocol on a proxy: callers that each make one call at a time. Every call is recorded. */
import { Agent } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { type CallOptions, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { Client as Channel, credentials } from "@grpc/grpc-js";
import { CallService } from "../../gen/calls/v1/calls_pb.ts";
import { StreamService } from "../../gen/streams/v1/streams_pb.ts";
import { slowness } from "../../restart/client.ts";
import { DELAY_HEADER } from "../../restart/slow-routes.ts";
import { AUTHORITY } from "../../support/certificates.ts";
import { TRANSPORTS } from "../../support/transports.ts";
import { REPLICA_HEADER } from "./headers.ts";

/** A call that has ended, with times in ms since the epoch. */
export interface Call {
  readonly client: string;
  readonly begin: number;
  /** The replica that responded; undefined if none did. */
  readonly replica: string | undefined;
  /** The reason of the failure; undefined if the call succeeded. */
  readonly reason: string | undefined;
}

interface Caller {
  readonly client: string;
  /** Makes one call. `options` tell the load which replica responded. Rejects if the call fails. */
  readonly call: (options: CallOptions) => Promise<void>;
  readonly close: () => void;
}

/** The pause of a caller after a call. It keeps the load modest, so that the proxies can be tested at the same time. */
const PAUSE_MS = 40;
const LIMIT_MS = 20_000;
/** A chat lasts longer than a health check takes to notice a drain, so that GOAWAY meets a stream in flight. */
const CHAT_MESSAGES = 12;
const CHAT_PAUSE_MS = 250;

/** The client whose calls may be retried by a proxy after a lost connection, because GET is safe. */
export const SAFE_CLIENT = "Connect GET over HTTP/1.1, slow";

export class Load {
  readonly calls: Call[] = [];
  readonly #callers: readonly Caller[];
  readonly #stop = new AbortController();
  readonly #runs: Promise<unknown>;
  #ended: (() => void)[] = [];
  #held: Promise<unknown> | undefined;

  /** Starts the load on the proxy with this URL. */
  constructor(url: string) {
    this.#callers = callers(url);
    this.#runs = Promise.all(this.#callers.map((caller) => this.#run(caller)));
  }

  /** The number of calls that can be in flight at the same time. */
  get callers(): number {
    return this.#callers.length;
  }

  get failures(): readonly Call[] {
    return this.calls.filter(({ reason }) => reason !== undefined);
  }

  /** Resolves when `isTrue` returns true, which is asked after every call. */
  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise<void>((resolve) => this.#ended.push(resolve));
  }

  /** Resolves when `count` calls that begin from now on have ended at this replica. */
  async reached(replica: string, count = 1): Promise<void> {
    const now = Date.now();
    await this.until(() => this.calls.filter((call) => call.replica === replica && call.begin >= now).length >= count);
  }

  /** Begins no calls for this time. Those in flight go on. */
  async hold(ms: number): Promise<void> {
    this.#held = sleep(ms);
    await this.#held;
  }

  /** Resolves when the last call has ended. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#runs;
    for (const { close } of this.#callers) close();
  }

  async #run({ client, call }: Caller): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#held;
      const begin = Date.now();
      let replica: string | undefined;
      const options: CallOptions = {
        timeoutMs: LIMIT_MS,
        onHeader(headers) {
          replica = headers.get(REPLICA_HEADER) ?? undefined;
        },
      };
      const reason = await call(options).then(() => undefined, describe);
      this.calls.push({ client, begin, replica, reason });
      for (const tell of this.#ended.splice(0)) tell();
      await sleep(PAUSE_MS * (0.5 + Math.random()));
    }
  }
}

function callers(url: string): Caller[] {
  const ca = AUTHORITY.cert;
  const overTls = TRANSPORTS.filter(({ tls }) => tls !== undefined);
  const get = createConnectTransport({
    ...{ baseUrl: url, httpVersion: "1.1", useHttpGet: true },
    nodeOptions: { ca, agent: new Agent({ keepAlive: true }) },
  });
  const grpc = () => createGrpcTransport({ baseUrl: url, nodeOptions: { ca } });
  return [
    ...overTls.map(({ name, create }) => record(name, create(url))),
    ...[1, 2].map(() => record("gRPC, slow", grpc(), slowness)),
    ...[1, 2].map(() => add(SAFE_CLIENT, get, slowness)),
    ...[1, 2].map(() => chat("gRPC, chat", grpc())),
    grpcJs(url),
  ];
}

const noDelay = (): number => 0;

/** A caller of a method that may have side effects. */
function record(client: string, transport: Transport, delay = noDelay): Caller {
  const { record } = createClient(CallService, transport);
  return unary(client, delay, (options) => record({ a: 1, b: 2 }, options));
}

/** A caller of a method without side effects. */
function add(client: string, transport: Transport, delay = noDelay): Caller {
  const { add } = createClient(CallService, transport);
  return unary(client, delay, (options) => add({ a: 1, b: 2 }, options));
}

function unary(client: string, delay: () => number, call: (options: CallOptions) => Promise<{ sum: number }>): Caller {
  return {
    client,
    async call(options) {
      const { sum } = await call({ ...options, headers: { [DELAY_HEADER]: String(delay()) } });
      if (sum !== 3) throw new Error(`the sum was ${sum}`);
    },
    close() {},
  };
}

/** A caller whose stream sends a message after it has received the previous one. */
function chat(client: string, transport: Transport): Caller {
  const { chat } = createClient(StreamService, transport);
  return {
    client,
    async call(options) {
      let received = 0;
      let tellReceived = Promise.withResolvers<void>();
      async function* messages() {
        for (let i = 0; i < CHAT_MESSAGES; i++) {
          yield { data: Uint8Array.of(i) };
          await tellReceived.promise;
          tellReceived = Promise.withResolvers();
          await sleep(CHAT_PAUSE_MS);
        }
      }
      for await (const { data } of chat(messages(), options)) {
        if (data[0] !== received++) throw new Error(`message ${received} had the number ${data[0]}`);
        tellReceived.resolve();
      }
      if (received !== CHAT_MESSAGES) throw new Error(`${received} of ${CHAT_MESSAGES} messages were received`);
    },
    close() {},
  };
}

/** grpc-js, which reads no JSON: the messages are a = 1, b = 2 and sum = 3 in bytes. */
function grpcJs(url: string): Caller {
  const channel = new Channel(new URL(url).host, credentials.createSsl(Buffer.from(AUTHORITY.cert)), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.ssl_target_name_override": "localhost",
    "grpc.enable_retries": 0,
  });
  const same = (bytes: Buffer): Buffer => bytes;
  return {
    client: "gRPC, grpc-js",
    call: ({ onHeader }) =>
      new Promise((resolve, reject) => {
        const request = Buffer.from([8, 1, 16, 2]);
        const call = channel.makeUnaryRequest("/calls.v1.CallService/Record", same, same, request, (error, response) =>
          error === null && response?.equals(Buffer.from([8, 3])) ? resolve() : reject(error ?? new Error("no sum")),
        );
        call.on("metadata", (metadata) =>
          onHeader?.(new Headers(metadata.get(REPLICA_HEADER).map((id) => [REPLICA_HEADER, String(id)]))),
        );
      }),
    close: () => channel.close(),
  };
}

function describe(error: unknown): string {
  const { message, cause } = ConnectError.from(error);
  return cause instanceof Error && !message.includes(cause.message) ? `${message} (${cause.message})` : message;
}
