/**
 * A program that calls health without a pause: clients that connect for each call, and clients that keep a connection. Prints a
 * line of JSON with the counts of each client ten times a second, and once more when its input has ended.
 *
 *     node churn.ts HOST:PORT
 */
import { Agent, request } from "node:http";
import { text } from "node:stream/consumers";
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { Client as Channel, credentials } from "@grpc/grpc-js";
import { Health } from "../../../gen/health/v1/health_pb.ts";
import { retryRefused } from "../../../src/server/retry-refused.ts";
import { Calls } from "../../restart/calls.ts";
import { callOnAndOn } from "../../restart/client.ts";

/** The counts of one client. */
export interface Counts {
  readonly made: number;
  readonly lost: number;
  /** The reasons of the lost calls. */
  readonly reasons: readonly string[];
}

const INTERVAL_MS = 100;
const PATH = "/grpc.health.v1.Health/Check";
const EMPTY = Buffer.alloc(0);

type Call = () => Promise<unknown>;

/** The clients. Each function returns one that makes a call. */
const CLIENTS: Readonly<Record<string, (authority: string) => Call>> = {
  "Connect over HTTP/1.1, a connection for each call": (authority) => () => post(authority, new Agent()),
  "gRPC, a connection for each call": (authority) => async () => {
    const channel = openChannel(authority);
    await check(channel).finally(() => channel.close());
  },
  "Connect over HTTP/1.1": (authority) => {
    const agent = new Agent({ keepAlive: true });
    return () => post(authority, agent);
  },
  "Connect over HTTP/2": (authority) =>
    caller(createConnectTransport({ baseUrl: `http://${authority}`, httpVersion: "2", interceptors: [retryRefused] })),
  "gRPC, connect-node": (authority) =>
    caller(createGrpcTransport({ baseUrl: `http://${authority}`, interceptors: [retryRefused] })),
  "gRPC, grpc-js": (authority) => {
    const channel = openChannel(authority);
    return () => check(channel);
  },
};

function caller(transport: Transport): Call {
  const { check } = createClient(Health, transport);
  return () => check({});
}

/** Opens a channel with a connection of its own. */
function openChannel(authority: string): Channel {
  return new Channel(authority, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
}

function check(channel: Channel): Promise<void> {
  const echo = (bytes: Buffer): Buffer => bytes;
  return new Promise((resolve, reject) =>
    channel.makeUnaryRequest(PATH, echo, echo, EMPTY, (error) => (error === null ? resolve() : reject(error))),
  );
}

function post(authority: string, agent: Agent): Promise<void> {
  const headers = { "content-type": "application/json" };
  return new Promise((resolve, reject) => {
    const sent = request(`http://${authority}${PATH}`, { agent, method: "POST", headers }, (response) =>
      text(response).then((body) => (response.statusCode === 200 ? resolve() : reject(new Error(body))), reject),
    );
    sent.on("error", reject);
    sent.end("{}");
  });
}

function counts(results: ReadonlyMap<string, Calls>): Readonly<Record<string, Counts>> {
  const rows = [...results].map(([name, { count, failed, failures }]) => [
    name,
    { made: count, lost: failed, reasons: [...failures.keys()] },
  ]);
  return Object.fromEntries(rows);
}

if (import.meta.main) {
  const [, , authority = ""] = process.argv;
  const results = new Map(Object.keys(CLIENTS).map((name) => [name, new Calls()]));
  const print = (): void => console.log(JSON.stringify(counts(results)));
  const stop = new AbortController();
  process.stdin.on("end", () => stop.abort()).resume();
  const timer = setInterval(print, INTERVAL_MS);
  await Promise.all(
    [...results].map(([name, calls]) => callOnAndOn(CLIENTS[name]?.(authority) as Call, calls, stop.signal)),
  );
  clearInterval(timer);
  print();
  process.exit();
}
