/** What is loaded and how: a server, what is spoken with it, how many connections, how many calls in flight on each. */
import { CELLS, envelope, type Cell as Wire } from "../test/support/cells.ts";
import type { PeerName } from "./peers.ts";

export interface Cell {
  /** Unlike that of every other cell: the server and its load. */
  readonly name: string;
  /** The wire, the shape and what else the load is. */
  readonly load: string;
  readonly server: PeerName;
  readonly wire: Wire;
  readonly connections: number;
  /** Calls in flight on each connection. */
  readonly streams: number;
  readonly client: "h2load" | "ghz";
  /** A deadline on each call. */
  readonly deadline: boolean;
}

/** Of every protocol the name in test/support/cells.ts, codec and HTTP version. */
export type ProtocolName = `${Wire["protocol"]} ${Wire["codec"]} over ${Wire["http"]}`;

export const GRPC: ProtocolName = "gRPC proto over HTTP/2";

/** The message that load sends and its answer, encoded. */
export const REQUEST = {
  proto: Buffer.from([0x08, 1, 0x10, 2]),
  json: Buffer.from('{"a":1,"b":2}'),
};
const ANSWER = { proto: Buffer.from([0x08, 3]), json: Buffer.from('{"sum":3}') };

/** What nghttpd serves: the body of gRPC's answer. */
export const STATIC_RESPONSE = envelope(ANSWER.proto);

/** 4 connections with 16 calls in flight on each, unless said otherwise; 64 with one over HTTP/1.1, which cannot share one. */
export function cell(
  server: PeerName,
  protocolName: ProtocolName = GRPC,
  { shape, client = "h2load", deadline = false }: { shape?: string; client?: Cell["client"]; deadline?: boolean } = {},
): Cell {
  const wire = CELLS.find(({ name }) => name === protocolName);
  if (wire === undefined) throw new Error(`look up the wire "${protocolName}": there is none`);
  const [connections = 0, streams = 0] = (shape ?? (wire.http === "HTTP/2" ? "4x16" : "64x1")).split("x").map(Number);
  const extras = `${deadline ? ", deadline" : ""}${client === "ghz" ? ", ghz" : ""}`;
  const load = `${protocolName}, ${connections} x ${streams}${extras}`;
  return { name: `${server}: ${load}`, load, server, wire, connections, streams, client, deadline };
}

/** The bytes of body in one good answer; undefined where the protocol leaves them to the server (gRPC-Web's trailers). */
export function responseBytes({ protocol, codec }: Wire): number | undefined {
  if (protocol === "gRPC-Web") return undefined;
  return ANSWER[codec].length + (protocol === "gRPC" ? 5 : 0);
}
