/** The negotiations that the fast path keeps: what they depend on, and their number. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createConnectRouter } from "@connectrpc/connect";
import { compressionGzip } from "@connectrpc/connect-node";
import type { Field, RequestHead } from "../../../src/server/http/exchange.ts";
import type { UnaryMethod } from "../../../src/server/rpc/fast-path/methods.ts";
import { Negotiator } from "../../../src/server/rpc/fast-path/negotiation.ts";
import type { UnaryNegotiation } from "../../../src/server/rpc/fast-path/protocol.ts";
import { Echo } from "../../support/protos.ts";

const PATH = "/fixture.Echo/Say";

function negotiatorOf(maxKeptValues?: number): Negotiator {
  const [handler] = createConnectRouter().service(Echo, { say: (request) => request }).handlers;
  const method = {
    kind: "unary",
    desc: handler?.method,
    hasNoSideEffects: true,
    protocolNames: ["grpc", "grpc-web", "connect"],
    acceptCompression: [compressionGzip],
    serialization: { getI: () => undefined, getO: () => undefined },
    requireConnectProtocolHeader: true,
  } as unknown as UnaryMethod;
  return new Negotiator(new Map([[PATH, method]]), maxKeptValues);
}

function post(...fields: readonly Field[]): RequestHead {
  return { httpVersion: "2.0", scheme: "http", method: "POST", authority: "localhost", path: PATH, fields };
}

const GRPC: Field = ["content-type", "application/grpc"];
const CONNECT: Field = ["content-type", "application/proto"];

test("calls share a negotiation whichever other fields they have", () => {
  const negotiator = negotiatorOf();
  const first = negotiator.negotiate(post(GRPC, ["grpc-timeout", "1S"], ["traceparent", "00-1"]));
  assert.ok(first);
  assert.equal(negotiator.negotiate(post(["x-request-id", "2"], ["grpc-timeout", "2S"], GRPC)), first);
});

test("each field that a negotiation depends on is read", () => {
  const negotiator = negotiatorOf();
  const plain = negotiator.negotiate(post(GRPC));
  assert.equal(plain?.compression, null);
  assert.equal(negotiator.negotiate(post(GRPC, ["grpc-accept-encoding", "br,gzip"]))?.compression, compressionGzip);
  assert.equal(negotiator.negotiate(post(GRPC, ["grpc-encoding", "gzip"])), null);
  assert.equal(negotiator.negotiate(post(GRPC, ["grpc-encoding", "identity"])), plain);
  assert.equal(negotiator.negotiate(post(GRPC, GRPC)), null);
  assert.equal(negotiator.negotiate(post(CONNECT)), null);
  assert.equal(negotiator.negotiate(post(CONNECT, ["connect-protocol-version", "1"]))?.protocol.name, "connect");
  assert.equal(negotiator.negotiate({ ...post(GRPC), path: "/fixture.Echo/Unknown" }), null);
});

test("equal requests by GET have messages of their own, because handlers may change the bytes of a message", () => {
  const negotiator = negotiatorOf();
  const path = `${PATH}?connect=v1&encoding=proto&base64=1&message=CgEB`;
  const get: RequestHead = { ...post(), method: "GET", path, isShared: true };
  const messageOf = () => (negotiator.negotiate(get) as UnaryNegotiation).message;
  messageOf()?.fill(0);
  assert.deepEqual([...(messageOf() ?? [])], [10, 1, 1]);
});

/** Negotiates calls with values of accept-encoding that differ. Returns how many calls of another client were not found. */
function attack(negotiator: Negotiator, calls: number, spread = (value: string) => value): number {
  const good = post(GRPC, ["grpc-accept-encoding", "gzip"]);
  let last = negotiator.negotiate(good);
  let misses = 0;
  for (let i = 0; i < calls; i++) {
    negotiator.negotiate(post(GRPC, ["grpc-accept-encoding", spread(String(i))]));
    const again = negotiator.negotiate(good);
    if (again !== last) misses++;
    last = again;
  }
  return misses;
}

test("values of accept-encoding that differ do not fill the memory, and cost others one call in seven at most", () => {
  const first = post(GRPC, ["grpc-accept-encoding", "0"]);
  for (const [maxKeptValues, isKept] of [
    [undefined, false],
    [Number.POSITIVE_INFINITY, true],
  ] as const) {
    const negotiator = negotiatorOf(maxKeptValues);
    const before = negotiator.negotiate(first);
    const misses = attack(negotiator, 1_000);
    assert.equal(negotiator.negotiate(first) === before, isKept);
    assert.ok(misses <= 1_000 / 7, `${misses} misses`);
  }
});

test("long values of accept-encoding are not kept, and cost others nothing", () => {
  assert.equal(
    attack(negotiatorOf(), 1_000, (value) => value.padEnd(65, ",")),
    0,
  );
});
