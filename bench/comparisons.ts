/** What is compared with what, and the bars: how much of the second's CPU per call the first may take. */
import { CELLS } from "../test/support/cells.ts";
import { type Cell, cell, GRPC, type ProtocolName } from "./cells.ts";
import type { PeerName } from "./peers.ts";

export interface Comparison {
  readonly name: string;
  readonly pair: readonly [Cell, Cell];
  /** A bar: what the ratio's median may be. */
  readonly limit?: number;
  /** What is wished, and only reported. */
  readonly goal?: number;
}

/** What resident memory after a million calls may be of the warmed server's. */
export const MEMORY_LIMIT = 1.05;
/** What the time from start to first answer may be of an empty script's. */
export const START_LIMIT = 4;

const OWN = "this server";
const JSON_HTTP1: ProtocolName = "Connect json over HTTP/1.1";
const JSON_HTTP2: ProtocolName = "Connect json over HTTP/2";

/** By wire; over HTTP/1.1 there is no gRPC, for want of a client that speaks it. */
const BARE_LIMITS: Partial<Record<string, number>> = {
  [GRPC]: 0.15,
  "gRPC-Web proto over HTTP/2": 0.15,
  "Connect proto over HTTP/2": 0.15,
  [JSON_HTTP2]: 0.15,
  [JSON_HTTP1]: 1.1,
};

/** gRPC, against each peer in each shape. */
const SHAPES: Readonly<Record<string, Partial<Record<PeerName, number | undefined>>>> = {
  "1x1": { "node:http2": undefined, "grpc-go": undefined, tonic: undefined },
  "64x1": { "node:http2": 0.25, "grpc-go": 0.6, tonic: 0.9 },
  "4x100": { "node:http2": undefined, "grpc-go": undefined, tonic: undefined },
  "1000x1": { "node:http2": undefined, "grpc-go": undefined, tonic: undefined },
};

const ofOwn = (server: PeerName, wire: ProtocolName, limit?: number, goal?: number): Comparison =>
  compare(cell(OWN, wire), cell(server, wire), limit, goal);

export const COMPARISONS: readonly Comparison[] = [
  ...CELLS.filter(({ protocol, http }) => protocol !== "gRPC" || http === "HTTP/2").map((wire) => {
    const bare = cell(wire.http === "HTTP/2" ? "node:http2" : "node:http", bareProtocol(wire));
    return compare(cell(OWN, wire.name as ProtocolName), bare, BARE_LIMITS[wire.name]);
  }),
  ofOwn("connect-node", GRPC, 1 / 40),
  ofOwn("connect-node", "gRPC-Web proto over HTTP/2"),
  ofOwn("connect-node", "Connect proto over HTTP/2"),
  ofOwn("connect-node", JSON_HTTP2),
  ofOwn("connect-node on node:http", JSON_HTTP1),
  ofOwn("grpc-go", GRPC, 0.4),
  ofOwn("tonic", GRPC, 0.6),
  ofOwn("nghttpd", GRPC, undefined, 1.5),
  ofOwn("connect-go", GRPC),
  ofOwn("connect-go", JSON_HTTP2),
  ofOwn("connect-go", JSON_HTTP1),
  ofOwn("grpc-js", GRPC),
  ofOwn("grpcio", GRPC),
  ofOwn("fastify", JSON_HTTP1),
  compare(cell("this server, async handler"), cell(OWN), 1.25),
  compare(cell(OWN, GRPC, { deadline: true }), cell(OWN), 1.25),
  compare(cell("this server, interceptor"), cell(OWN), 2),
  compare(cell("this server without fastPath"), cell(OWN)),
  ...([GRPC, JSON_HTTP2, JSON_HTTP1] as const).map((wire) => ofOwn("this server without limits", wire)),
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

/** Like with like: the bare handlers speak gRPC and Connect's POST, in the same codec. */
function bareProtocol({ protocol, codec, http }: (typeof CELLS)[number]): ProtocolName {
  return `${http === "HTTP/2" && protocol.startsWith("gRPC") ? "gRPC" : "Connect"} ${codec} over ${http}`;
}

function compare(a: Cell, b: Cell, limit?: number, goal?: number): Comparison {
  const name = a.load === b.load ? `${a.server} / ${b.server}: ${a.load}` : `${a.name} / ${b.name}`;
  return { name, pair: [a, b], ...(limit !== undefined && { limit }), ...(goal !== undefined && { goal }) };
}
