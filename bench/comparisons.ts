/** The comparisons of two cells by CPU time per call or message, with limits and goals. */
import { type Cell, cell, GRPC, type ProtocolName } from "./cells.ts";
import type { PeerName } from "./peers.ts";

export interface Comparison {
  readonly name: string;
  /** The ratio is the CPU time of the first cell, divided by that of the second. */
  readonly pair: readonly [Cell, Cell];
  /** Upper limit on the median of the ratio. */
  readonly limit?: number;
  /** A wanted upper limit on the median of the ratio, which may be missed. */
  readonly goal?: number;
}

/** Upper limit on a ratio: resident memory after all calls, divided by resident memory after the warm-up. */
export const MEMORY_LIMIT = 1.05;
/** Upper limit on a ratio: time from start to first response, divided by the run time of an empty script. */
export const START_LIMIT = 3;

type Options = NonNullable<Parameters<typeof cell>[2]>;
/** Limits on the ratio by the other server. Undefined compares without a limit. */
type Limits = Partial<Record<PeerName, number | undefined>>;

const OWN = "this server";
const WEB_HTTP2: ProtocolName = "gRPC-Web proto over HTTP/2";
const PROTO_HTTP2: ProtocolName = "Connect proto over HTTP/2";
const JSON_HTTP2: ProtocolName = "Connect json over HTTP/2";
const JSON_HTTP1: ProtocolName = "Connect json over HTTP/1.1";

/** The streams over HTTP/2 and HTTP/1.1 have 16 calls in flight. */
const STREAM: Options = { shape: "4x4" };
const STREAM_HTTP1: Options = { shape: "16x1" };
const SMALL = { size: 100, messages: 200 };
const LARGE = { size: 10_240, messages: 50 };
const TRACE: Options = { heads: "trace" };

export const COMPARISONS: readonly Comparison[] = [
  // Heads that differ, as real callers send them.
  ...compareOwn(GRPC, TRACE, {
    ...{ "node:http2": 0.18, "grpc-go": 0.3, tonic: 0.6 },
    ...{ "grpc-js": undefined, "connect-go": undefined, grpcio: undefined, "connect-node": undefined },
    ...{ nghttpd: undefined, "this server without limits": undefined },
  }),
  ...compareOwn(JSON_HTTP2, TRACE, { "node:http2": undefined, "connect-go": undefined }),
  ...compareOwn(JSON_HTTP1, TRACE, { "node:http": undefined, fastify: undefined }),
  ...["1x64", "100x1", "1000x1"].flatMap((shape) =>
    compareOwn(GRPC, { ...TRACE, shape }, { "node:http2": undefined, "grpc-go": undefined, tonic: undefined }),
  ),
  compare(cell(OWN, GRPC, { ...TRACE, shape: "1000x1" }), cell(OWN, GRPC, { ...TRACE, shape: "100x1" }), 1.3),

  // Equal heads, as simple load generators send them.
  ...compareOwn(GRPC, {}, { "node:http2": 0.15, "grpc-go": 0.4, tonic: 0.6, "connect-node": 1 / 40 }),
  { ...compare(cell(OWN), cell("nghttpd")), goal: 1.5 },
  compare(cell("this server, async handler"), cell(OWN), 1.25),
  compare(cell("this server, interceptor"), cell(OWN), 1.5),
  compare(cell(OWN, GRPC, { heads: "timeout" }), cell(OWN)),
  compare(cell("this server without the fast path"), cell(OWN)),
  compare(cell("this server on node:http2"), cell(OWN)),
  ...[WEB_HTTP2, PROTO_HTTP2, JSON_HTTP2].flatMap((protocol) => [
    compare(cell(OWN, protocol), cell("node:http2", protocol === WEB_HTTP2 ? GRPC : protocol), 0.15),
    ...compareOwn(protocol, {}, { "connect-node": undefined }),
  ]),
  ...compareOwn(GRPC, { shape: "64x1" }, { "node:http2": 0.25, "grpc-go": 0.6, tonic: 0.9 }),
  compare(cell(OWN, GRPC, { ...TRACE, shape: "64x1" }), cell(OWN, GRPC, { shape: "64x1" })),
  ...compareOwn(
    JSON_HTTP1,
    {},
    { "node:http": 1.05, fastify: 1.1, "connect-go": undefined, "connect-node on node:http": undefined },
  ),

  // Telemetry and workers. All workers share the core of the server.
  ...[TRACE, {}].flatMap((options) => [
    compare(cell("this server with metrics", GRPC, options), cell("this server, program", GRPC, options), 1.05),
    // Two workers on two cores then serve 1.8 times the calls of one.
    compare(cell("this server, 2 workers", GRPC, options), cell("this server, program", GRPC, options), 2 / 1.8),
    {
      ...compare(
        cell("this server with everything at 1 %", GRPC, options),
        cell("this server, program", GRPC, options),
      ),
      goal: 1.1,
    },
  ]),

  // Large messages, by the load generator and by the client of grpc-go.
  ...[10_240, 102_400].flatMap((size) =>
    compareOwn(
      GRPC,
      { ...STREAM, method: "Echo", size },
      { "grpc-go": 1, tonic: undefined, "grpc-js": undefined, "node:http2": undefined },
    ),
  ),
  ...[100, 10_240, 102_400].flatMap((size) =>
    compareOwn(
      GRPC,
      { ...STREAM, method: "Echo", size, client: "grpc-go" },
      { "grpc-go": size === 100 ? undefined : 1 },
    ),
  ),

  // Streams.
  ...streams("Download", { "grpc-js": 0.5, "grpc-go": 2 }),
  ...streams("Upload", { "grpc-js": 0.5, "grpc-go": 2 }),
  ...streams("Chat", { "grpc-js": 0.6, "grpc-go": 1 }),
  ...compareOwn(
    GRPC,
    { ...STREAM, ...LARGE, method: "Download" },
    { "grpc-go": 1.5, tonic: undefined, "grpc-js": undefined },
  ),
  ...compareOwn(GRPC, { ...STREAM, ...LARGE, method: "Upload" }, { "grpc-go": undefined, tonic: undefined }),

  // TLS.
  ...([["grpc-go, TLS", 0.4], ["nghttpd, TLS"]] as const).map(([server, limit]) =>
    compare(
      cell("this server, TLS", GRPC, { ...TRACE, tls: true }),
      cell(server, GRPC, { ...TRACE, tls: true }),
      limit,
    ),
  ),
];

/** Compares this server with others under one load. */
function compareOwn(protocol: ProtocolName, options: Options, limits: Limits): Comparison[] {
  return Object.entries(limits).map(([server, limit]) =>
    compare(cell(OWN, protocol, options), cell(server as PeerName, protocol, options), limit),
  );
}

/**
 * Compares small messages of a method that streams: with other servers over gRPC, with an interceptor, and over the other
 * protocols. HTTP/1.1 cannot carry `Chat`, which responds before the request is complete.
 */
function streams(method: Cell["method"], limits: Limits): Comparison[] {
  const options = { ...STREAM, ...SMALL, method };
  const grpc = cell(OWN, GRPC, options);
  const http1: ProtocolName[] =
    method === "Chat" ? [] : ["gRPC-Web proto over HTTP/1.1", "Connect proto over HTTP/1.1"];
  return [
    ...compareOwn(GRPC, options, { ...limits, tonic: undefined, "connect-node": undefined }),
    compare(cell("this server, interceptor", GRPC, options), grpc, 1.5),
    ...[WEB_HTTP2, PROTO_HTTP2].map((protocol) => compare(cell(OWN, protocol, options), grpc, 1.3)),
    ...http1.map((protocol) => compare(cell(OWN, protocol, { ...options, ...STREAM_HTTP1 }), grpc, 1.3)),
  ];
}

function compare(a: Cell, b: Cell, limit?: number): Comparison {
  const name = a.load === b.load ? `${a.server} / ${b.server}: ${a.load}` : `${a.name} / ${b.name}`;
  return { name, pair: [a, b], ...(limit !== undefined && { limit }) };
}

/**
 * Divides comparisons into groups, whose cells are measured in turn: a comparison joins the group before it if they share
 * a cell. A cell that several comparisons need is then measured once a round.
 */
export function groups(comparisons: readonly Comparison[]): Comparison[][] {
  const result: Comparison[][] = [];
  for (const comparison of comparisons) {
    const last = result.at(-1);
    if (last && cellsOf(last).some((cell) => comparison.pair.some(({ name }) => name === cell.name)))
      last.push(comparison);
    else result.push([comparison]);
  }
  return result;
}

/** Returns each cell of the comparisons once. */
export function cellsOf(comparisons: readonly Comparison[]): Cell[] {
  return [...new Map(comparisons.flatMap(({ pair }) => pair.map((cell) => [cell.name, cell] as const))).values()];
}
