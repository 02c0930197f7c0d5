/** The comparisons of two cells by CPU time per call, with limits and goals. */
import { CELLS } from "../test/support/cells.ts";
import { type Cell, cell, GRPC, type ProtocolName } from "./cells.ts";
import type { PeerName } from "./peers.ts";

export interface Comparison {
  readonly name: string;
  /** The ratio is the CPU time per call of the first cell, divided by that of the second. */
  readonly pair: readonly [Cell, Cell];
  /** Upper limit on the median of the ratio. */
  readonly limit?: number;
  /** A wanted upper limit on the median of the ratio, which may be missed. */
  readonly goal?: number;
}

/** Upper limit on a ratio: resident memory after all calls, divided by resident memory after the warm-up. */
export const MEMORY_LIMIT = 1.05;
/** Upper limit on a ratio: time from start to first response, divided by the run time of an empty script. */
export const START_LIMIT = 4;

const OWN = "this server";
const JSON_HTTP1: ProtocolName = "Connect json over HTTP/1.1";
const JSON_HTTP2: ProtocolName = "Connect json over HTTP/2";

/** Limits on the ratio to Node's own HTTP servers, by protocol. Other protocols are compared without a limit. */
const BARE_LIMITS: Partial<Record<string, number>> = {
  [GRPC]: 0.15,
  "gRPC-Web proto over HTTP/2": 0.15,
  "Connect proto over HTTP/2": 0.15,
  [JSON_HTTP2]: 0.15,
  [JSON_HTTP1]: 1.1,
};

/** Limits on the ratio for gRPC, by shape and by the other server. Undefined compares without a limit. */
const SHAPES: Readonly<Record<string, Partial<Record<PeerName, number | undefined>>>> = {
  "1x1": { "node:http2": undefined, "grpc-go": undefined, tonic: undefined },
  "64x1": { "node:http2": 0.25, "grpc-go": 0.6, tonic: 0.9 },
  "4x100": { "node:http2": undefined, "grpc-go": undefined, tonic: undefined },
  "1000x1": { "node:http2": undefined, "grpc-go": undefined, tonic: undefined },
};

/** Returns the comparison of this server with another one, over the same protocol. */
const compareOwn = (server: PeerName, protocol: ProtocolName, limit?: number, goal?: number): Comparison =>
  compare(cell(OWN, protocol), cell(server, protocol), limit, goal);

export const COMPARISONS: readonly Comparison[] = [
  // Clients do not speak gRPC over HTTP/1.1.
  ...CELLS.filter(({ protocol, http }) => protocol !== "gRPC" || http === "HTTP/2").map((wire) => {
    const bare = cell(wire.http === "HTTP/2" ? "node:http2" : "node:http", bareProtocol(wire));
    return compare(cell(OWN, wire.name as ProtocolName), bare, BARE_LIMITS[wire.name]);
  }),
  compareOwn("connect-node", GRPC, 1 / 40),
  compareOwn("connect-node", "gRPC-Web proto over HTTP/2"),
  compareOwn("connect-node", "Connect proto over HTTP/2"),
  compareOwn("connect-node", JSON_HTTP2),
  compareOwn("connect-node on node:http", JSON_HTTP1),
  compareOwn("grpc-go", GRPC, 0.4),
  compareOwn("tonic", GRPC, 0.6),
  compareOwn("nghttpd", GRPC, undefined, 1.5),
  compareOwn("connect-go", GRPC),
  compareOwn("connect-go", JSON_HTTP2),
  compareOwn("connect-go", JSON_HTTP1),
  compareOwn("grpc-js", GRPC),
  compareOwn("grpcio", GRPC),
  compareOwn("fastify", JSON_HTTP1),
  compare(cell("this server, async handler"), cell(OWN), 1.25),
  compare(cell(OWN, GRPC, { deadline: true }), cell(OWN), 1.25),
  compare(cell("this server, interceptor"), cell(OWN), 2),
  compare(cell("this server without the fast path"), cell(OWN)),
  ...([GRPC, JSON_HTTP2, JSON_HTTP1] as const).map((protocol) => compareOwn("this server without limits", protocol)),
  compare(cell(OWN, GRPC, { shape: "64x1" }), cell("this server without limits", GRPC, { shape: "64x1" })),
  compare(cell("this server on node:http2"), cell(OWN)),
  ...Object.entries(SHAPES).flatMap(([shape, peers]) =>
    Object.entries(peers).map(([server, limit]) =>
      compare(cell(OWN, GRPC, { shape }), cell(server as PeerName, GRPC, { shape }), limit),
    ),
  ),
  compare(cell(OWN, GRPC, { shape: "1000x1" }), cell(OWN, GRPC, { shape: "64x1" }), 1.3),
  ...(["node:http2", "grpc-go", "tonic"] as const).map((server) =>
    compare(
      cell(OWN, GRPC, { client: "ghz" }),
      cell(server, GRPC, { client: "ghz" }),
      server === "grpc-go" ? 0.6 : undefined,
    ),
  ),
];

/**
 * Returns the protocol, with the same codec, in which Node's own server is measured. The benchmark implements only gRPC
 * and Connect's POST on it.
 */
function bareProtocol({ protocol, codec, http }: (typeof CELLS)[number]): ProtocolName {
  return `${http === "HTTP/2" && protocol.startsWith("gRPC") ? "gRPC" : "Connect"} ${codec} over ${http}`;
}

function compare(a: Cell, b: Cell, limit?: number, goal?: number): Comparison {
  const name = a.load === b.load ? `${a.server} / ${b.server}: ${a.load}` : `${a.name} / ${b.name}`;
  return { name, pair: [a, b], ...(limit !== undefined && { limit }), ...(goal !== undefined && { goal }) };
}
