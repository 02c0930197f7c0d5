/** A cell of the benchmark: one server under one load. A load is a method, a protocol, the calls at once and options. */
import { CELLS, envelope, type Cell as Wire } from "../test/support/cells.ts";
import type { PeerName } from "./peers.ts";

/** A load on a server. Everything but the protocol has a default. */
export interface Load {
  /** A method of the tests' services: `Add` of small messages, or one of the service of streams. */
  readonly method: "Add" | "Echo" | "Download" | "Upload" | "Chat";
  readonly connections: number;
  /** Calls at once on each connection. */
  readonly streams: number;
  /**
   * The request headers of the calls: equal, with a timeout that differs on each call, or with a timeout, a trace context
   * (traceparent) and a request id (x-request-id) that differ.
   */
  readonly heads: "equal" | "timeout" | "trace";
  /** The bytes of data in each message. `Add` has none. */
  readonly size: number;
  /** The messages of one call, in the direction that streams. */
  readonly messages: number;
  readonly tls: boolean;
  /** The load generator of bench/peers/go/load: with its own frames, or with the client of grpc-go. */
  readonly client: "raw" | "grpc-go";
}

export interface Cell extends Load {
  /** Server and load. Two cells with the same name are the same cell. */
  readonly name: string;
  /** The load in words: "gRPC proto over HTTP/2, heads that differ, 4 x 16". */
  readonly load: string;
  readonly server: PeerName;
  readonly wire: Wire;
}

/** A name in `CELLS`: protocol, codec and HTTP version. */
export type ProtocolName = `${Wire["protocol"]} ${Wire["codec"]} over ${Wire["http"]}`;

export const GRPC: ProtocolName = "gRPC proto over HTTP/2";

/** The load of results that do not name it. */
export const DEFAULTS: Omit<Load, "connections" | "streams"> = {
  method: "Add",
  heads: "equal",
  size: 0,
  messages: 1,
  tls: false,
  client: "raw",
};

/** The encoded message of each request of `Add`, by codec. */
export const REQUEST = {
  proto: Buffer.from([0x08, 1, 0x10, 2]),
  json: Buffer.from('{"a":1,"b":2}'),
};

/** The body of a gRPC response of `Add`, which nghttpd serves as a file. */
export const STATIC_RESPONSE = envelope(Buffer.from([0x08, 3]));

/** The heads of a load in words. */
export const HEADS = { equal: "equal heads", timeout: "timeouts that differ", trace: "heads that differ" };

/**
 * Returns the cell of a server, a protocol and a load. `shape` is connections x calls at once on each. Its default is
 * "4x16", or "64x1" over HTTP/1.1. Throws if the protocol is unknown.
 */
export function cell(
  server: PeerName,
  protocol: ProtocolName = GRPC,
  { shape, ...options }: { shape?: string } & Partial<typeof DEFAULTS> = {},
): Cell {
  const wire = CELLS.find(({ name }) => name === protocol);
  if (wire === undefined) throw new Error(`look up the protocol "${protocol}": it is unknown`);
  const [connections = 0, streams = 0] = (shape ?? (wire.http === "HTTP/2" ? "4x16" : "64x1")).split("x").map(Number);
  const load: Load = { ...DEFAULTS, ...options, connections, streams };
  const text = `${protocol}${load.tls ? " and TLS" : ""}, ${describeLoad(load)}, ${connections} x ${streams}`;
  return { name: `${server}: ${text}`, load: text, server, wire, ...load };
}

/** Returns the method, the messages, the heads and the client of a load in words. */
export function describeLoad({ method, heads, size, messages, client }: Omit<Load, "connections" | "streams">): string {
  const data = method === "Add" ? "" : ` of ${messages === 1 ? "" : `${messages} messages of `}${size} B`;
  return `${method}${data}, ${HEADS[heads]}${client === "raw" ? "" : `, ${client}'s client`}`;
}

/** Returns true if the cell's CPU time is that of a message, not of a call. */
export function isStream({ method }: Pick<Load, "method">): boolean {
  return method !== "Add" && method !== "Echo";
}
