/** Responses that are complete before their request (RFC 9113, 8.1): they wait for it, and its rest is discarded. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Exchange, Handler } from "../../src/server/http/exchange.ts";
import type { Limits } from "../../src/server/limits/limits.ts";
import { Bench, OK } from "./support/bench.ts";
import { data, headers, POST, rstStream, windowUpdate } from "./support/wire.ts";

const RESPONSE = ["Headers 1 200", "Data 1 2 end"];
const refuse: Handler = (exchange) => exchange.respond(OK, Buffer.from("no"));

/** A connection on which a request was refused whose body is on its way. */
function refused(limits: Partial<Limits> = {}, handler = refuse): Bench {
  const bench = Bench.settled(handler, limits);
  assert.deepEqual(bench.send(headers(1, POST, 0)), []);
  return bench;
}

/** The same when the response was sent. */
function responded(limits: Partial<Limits> = {}): Bench {
  const bench = refused(limits);
  assert.deepEqual(bench.pass(50), RESPONSE);
  return bench;
}

test("a complete response waits for its request's end, and then ends the stream", () => {
  const bench = refused();
  assert.deepEqual(bench.send(data(1, "a", 0)), []);
  assert.deepEqual(bench.send(data(1, "b")), RESPONSE);
  assert.equal(bench.connection.openStreams, 0);
  assert.ok(bench.server.early.isEmpty);
});

test("trailers are a request's end too", () => {
  const bench = refused();
  assert.deepEqual(bench.send(data(1, "a", 0), headers(1, [["x", "1"]])), RESPONSE);
  assert.equal(bench.connection.openStreams, 0);
});

for (const [limits, sends] of [
  [{ earlyResponseIdleMs: 20 }, (bench: Bench) => bench.pass(20)],
  [{ earlyResponseMs: 100 }, (bench: Bench) => drip(bench, 100)],
  [{ earlyResponseBytes: 1_000 }, (bench: Bench) => bench.send(data(1, Buffer.alloc(1_001), 0))],
] as const) {
  const [limit] = Object.keys(limits) as [keyof Limits];
  const off = {
    earlyResponseMs: Number.POSITIVE_INFINITY,
    earlyResponseIdleMs: Number.POSITIVE_INFINITY,
    earlyResponseBytes: Number.POSITIVE_INFINITY,
  };
  test(`a response waits no longer than ${limit} says, and without it longer`, () => {
    assert.deepEqual(sends(refused({ ...off, ...limits })), RESPONSE);
    assert.deepEqual(sends(refused(off)), []);
  });
}

/** Sends a byte every 10 ms, for as long. */
function drip(bench: Bench, ms: number): string[] {
  const words: string[] = [];
  for (let at = 0; at < ms; at += 10) words.push(...bench.send(data(1, " ", 0)), ...bench.pass(10));
  return words;
}

test("bytes of the request put off the time in which none may come", () => {
  const bench = refused({ earlyResponseIdleMs: 50 });
  assert.deepEqual(drip(bench, 400), []);
  assert.deepEqual([...bench.pass(50), ...bench.pass(50)], RESPONSE);
});

test("after the response the rest is discarded, its windows are given back, and nothing is held of it", () => {
  const bench = responded({ streamWindowBytes: 65_535 });
  const pieces = Array.from({ length: 4 }, () => data(1, Buffer.alloc(10_000), 0));
  assert.deepEqual(bench.send(...pieces), ["WindowUpdate 1 40000"]);
  assert.equal(bench.server.buffered.used, 0);
  assert.deepEqual(bench.send(data(1, "end")), []);
  assert.equal(bench.connection.openStreams, 0);
});

test("what came before the response and was not read is given back too", () => {
  const bench = Bench.settled(() => {}, { streamWindowBytes: 65_535 });
  bench.send(headers(1, POST, 0), data(1, Buffer.alloc(16_000), 0), data(1, Buffer.alloc(16_000), 0));
  assert.equal(bench.server.buffered.used, 32_000);
  refuse(bench.exchanges[0] as Exchange);
  assert.equal(bench.server.buffered.used, 0);
  assert.deepEqual(bench.send(data(1, Buffer.alloc(1_000), 0)), ["WindowUpdate 1 33000"]);
});

for (const { limits, met, end } of [
  { limits: { discardedBytes: 10_000 }, met: "discardedBytes", end: (bench: Bench) => bench.send(...thousands(11)) },
  { limits: { discardIdleMs: 200 }, met: undefined, end: (bench: Bench) => bench.pass(200) },
  { limits: { requestMs: 200 }, met: "requestMs", end: (bench: Bench) => drip(bench, 220) },
] as const) {
  const [limit] = Object.keys(limits);
  test(`over ${limit} the stream is reset with NO_ERROR, which is no error of the peer's, and without it is not`, () => {
    const bench = responded(limits);
    assert.deepEqual(end(bench), ["RstStream 1 NO_ERROR"]);
    assert.deepEqual(bench.limits, met === undefined ? [] : [met]);
    assert.equal(bench.connection.openStreams, 0);
    assert.deepEqual(bench.send(data(1, "late", 0), data(1, "later")), []);
    const off = responded({ discardIdleMs: Infinity, discardedBytes: Infinity, requestMs: Infinity });
    assert.deepEqual(end(off), []);
    assert.equal(off.connection.openStreams, 1);
  });
}

function thousands(count: number): Buffer[] {
  return Array.from({ length: count }, () => data(1, Buffer.alloc(1_000), 0));
}

test("a response that waits for a window is sent whole before its request is given up", () => {
  const bench = refused({}, (exchange) => exchange.respond(OK, Buffer.alloc(70_000), [["x", "1"]]));
  assert.equal(bench.pass(50).at(-1), "Data 1 16383");
  assert.deepEqual([...bench.send(data(1, "a", 0)), ...bench.pass(5_000)], []);
  const more = bench.send(windowUpdate(0, 10_000), windowUpdate(1, 10_000));
  assert.deepEqual(more, ["Data 1 4465", "Headers 1 trailers end"]);
  assert.deepEqual(bench.pass(1_000), ["RstStream 1 NO_ERROR"]);
});

test("a streamed response is sent as it is written, and its end too: only RST_STREAM waits", () => {
  const bench = Bench.settled((exchange) => {
    exchange.start(OK);
    exchange.write(Buffer.from("no"));
    exchange.end([["x", "1"]]);
  });
  assert.deepEqual(bench.send(headers(1, POST, 0)), ["Headers 1 200", "Data 1 2", "Headers 1 trailers end"]);
  assert.deepEqual(bench.pass(999), []);
  assert.deepEqual(bench.pass(1), ["RstStream 1 NO_ERROR"]);
});

test("a peer that gives up while the response waits, or after it, leaves nothing behind", () => {
  for (const bench of [refused(), responded()]) {
    assert.deepEqual(bench.send(data(1, "a", 0), rstStream(1)), []);
    assert.ok(bench.server.early.isEmpty);
    assert.equal(bench.connection.openStreams, 0);
    assert.equal(bench.server.cancelledHandlers.used, 0, "no handler runs for it");
    assert.deepEqual(bench.pass(10_000), []);
  }
});

test("a body that is not as long as content-length says is malformed before and after the response (8.1.1)", () => {
  for (const wait of [0, 50]) {
    const bench = Bench.settled(refuse);
    bench.send(headers(1, [...POST, ["content-length", "5"]], 0));
    bench.pass(wait);
    assert.deepEqual(bench.send(data(1, "ab")), ["RstStream 1 PROTOCOL_ERROR"]);
    assert.ok(bench.server.early.isEmpty);
  }
});

test("a response that waits and cannot be sent is its handler's error, and resets the stream", () => {
  const bench = refused({}, (exchange) => exchange.respond({ status: 200, fields: [["X", "1"]] }, Buffer.alloc(0)));
  assert.deepEqual(bench.send(data(1, "a")), ["RstStream 1 INTERNAL_ERROR"]);
  assert.match(String(bench.errors[0]), /send (head|fields): /);
});

test("a reader of the body is told of its end when the response is complete", async () => {
  const bench = refused({}, () => {});
  const exchange = bench.exchanges[0] as Exchange;
  const reader = exchange.body[Symbol.asyncIterator]();
  const next = reader.next();
  refuse(exchange);
  assert.equal((await next).done, true);
  bench.send(data(1, "late", 0));
  assert.equal((await reader.next()).done, true);
  assert.equal(bench.server.buffered.used, 0);
});

test("a server that drains lets no response wait", () => {
  const bench = Bench.settled(refuse);
  bench.server.early.holdsResponses = false;
  assert.deepEqual(bench.send(headers(1, POST, 0)), RESPONSE);
});
