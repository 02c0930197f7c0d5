/**
 * A cell of the benchmark: one server under one load. A load is a protocol, connections, calls in flight and options.
 */
import { CELLS, envelope, type Cell as Wire } from "../test/support/cells.ts";
import type { PeerName } from "./peers.ts";

export interface Cell {
  /** Server and load. Two cells with the same name are the same cell. */
  readonly name: string;
  /** Protocol, connections x calls in flight on each, and options: "gRPC proto over HTTP/2, 4 x 16, deadline". */
  readonly load: string;
  readonly server: PeerName;
  readonly wire: Wire;
  readonly connections: number;
  /** Calls in flight on each connection. */
  readonly streams: number;
  readonly client: "h2load" | "ghz";
  /** True if each call has a deadline. */
  readonly deadline: boolean;
}

/** A name in `CELLS`: protocol, codec and HTTP version. */
export type ProtocolName = `${Wire["protocol"]} ${Wire["codec"]} over ${Wire["http"]}`;

export const GRPC: ProtocolName = "gRPC proto over HTTP/2";

/** The encoded message of each request, by codec. */
export const REQUEST = {
  proto: Buffer.from([0x08, 1, 0x10, 2]),
  json: Buffer.from('{"a":1,"b":2}'),
};
/** The encoded message of each response, by codec. */
const RESPONSE = { proto: Buffer.from([0x08, 3]), json: Buffer.from('{"sum":3}') };

/** The body of a gRPC response, which nghttpd serves as a file. */
export const STATIC_RESPONSE = envelope(RESPONSE.proto);

/**
 * Returns the cell of a server and a protocol. `shape` is connections x calls in flight on each. Its default is "4x16",
 * or "64x1" over HTTP/1.1. Throws if the protocol is unknown.
 */
export function cell(
  server: PeerName,
  protocolName: ProtocolName = GRPC,
  { shape, client = "h2load", deadline = false }: { shape?: string; client?: Cell["client"]; deadline?: boolean } = {},
): Cell {
  const wire = CELLS.find(({ name }) => name === protocolName);
  if (wire === undefined) throw new Error(`look up the protocol "${protocolName}": it is unknown`);
  const [connections = 0, streams = 0] = (shape ?? (wire.http === "HTTP/2" ? "4x16" : "64x1")).split("x").map(Number);
  const extras = `${deadline ? ", deadline" : ""}${client === "ghz" ? ", ghz" : ""}`;
  const load = `${protocolName}, ${connections} x ${streams}${extras}`;
  return { name: `${server}: ${load}`, load, server, wire, connections, streams, client, deadline };
}

/** Returns the length of a correct response body; undefined for gRPC-Web, whose trailers in the body differ between servers. */
export function responseBytes({ protocol, codec }: Wire): number | undefined {
  if (protocol === "gRPC-Web") return undefined;
  return RESPONSE[codec].length + (protocol === "gRPC" ? 5 : 0);
}
