/** Early responses (RFC 9113, 8.1): they are held until the request ends, and the rest of the request is discarded. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Exchange, Handler } from "../../src/server/http/exchange.ts";
import type { Limits } from "../../src/server/limits/limits.ts";
import { data, headers, POST, rstStream, windowUpdate } from "./support/frames.ts";
import { Harness, OK } from "./support/harness.ts";

const RESPONSE = ["Headers 1 200", "Data 1 2 end"];
const respondEarly: Handler = (exchange) => exchange.respond(OK, Buffer.from("no"));

/** Returns a connection with an early response that is held, because the client still sends the body. */
function held(limits: Partial<Limits> = {}, handler = respondEarly): Harness {
  const harness = Harness.settled(handler, limits);
  assert.deepEqual(harness.send(headers(1, POST, 0)), []);
  return harness;
}

/** Returns such a connection after the response was sent. */
function responded(limits: Partial<Limits> = {}): Harness {
  const harness = held(limits);
  assert.deepEqual(harness.advance(50), RESPONSE);
  return harness;
}

test("a complete response is held until the request ends, and then ends the stream", () => {
  const harness = held();
  assert.deepEqual(harness.send(data(1, "a", 0)), []);
  assert.deepEqual(harness.send(data(1, "b")), RESPONSE);
  assert.equal(harness.connection.openStreams, 0);
  assert.ok(harness.server.early.isEmpty);
});

test("trailers end a request too", () => {
  const harness = held();
  assert.deepEqual(harness.send(data(1, "a", 0), headers(1, [["x", "1"]])), RESPONSE);
  assert.equal(harness.connection.openStreams, 0);
});

for (const [limits, act] of [
  [{ earlyResponseIdleMs: 20 }, (harness: Harness) => harness.advance(20)],
  [{ earlyResponseMs: 100 }, (harness: Harness) => drip(harness, 100)],
  [{ earlyResponseBytes: 1_000 }, (harness: Harness) => harness.send(data(1, Buffer.alloc(1_001), 0))],
] as const) {
  const [limit] = Object.keys(limits) as [keyof Limits];
  const off = {
    earlyResponseMs: Number.POSITIVE_INFINITY,
    earlyResponseIdleMs: Number.POSITIVE_INFINITY,
    earlyResponseBytes: Number.POSITIVE_INFINITY,
  };
  test(`a response is held no longer than ${limit} allows, and longer without that limit`, () => {
    assert.deepEqual(act(held({ ...off, ...limits })), RESPONSE);
    assert.deepEqual(act(held(off)), []);
  });
}

/** Sends a byte every 10 ms, for `ms`. */
function drip(harness: Harness, ms: number): string[] {
  const sent: string[] = [];
  for (let at = 0; at < ms; at += 10) sent.push(...harness.send(data(1, " ", 0)), ...harness.advance(10));
  return sent;
}

test("bytes of the request extend earlyResponseIdleMs", () => {
  const harness = held({ earlyResponseIdleMs: 50 });
  assert.deepEqual(drip(harness, 400), []);
  assert.deepEqual([...harness.advance(50), ...harness.advance(50)], RESPONSE);
});

test("after the response the rest of the request is discarded, its window is freed, and nothing is buffered", () => {
  const harness = responded({ streamWindowBytes: 65_535 });
  const pieces = Array.from({ length: 4 }, () => data(1, Buffer.alloc(10_000), 0));
  assert.deepEqual(harness.send(...pieces), ["WindowUpdate 1 40000"]);
  assert.equal(harness.server.buffered.used, 0);
  assert.deepEqual(harness.send(data(1, "end")), []);
  assert.equal(harness.connection.openStreams, 0);
});

test("bytes that were received before the response and not read are freed too", () => {
  const harness = Harness.settled(() => {}, { streamWindowBytes: 65_535 });
  harness.send(headers(1, POST, 0), data(1, Buffer.alloc(16_000), 0), data(1, Buffer.alloc(16_000), 0));
  assert.ok(harness.server.buffered.used >= 32_000);
  respondEarly(harness.exchanges[0] as Exchange);
  assert.equal(harness.server.buffered.used, 0);
  assert.deepEqual(harness.send(data(1, Buffer.alloc(1_000), 0)), ["WindowUpdate 1 33000"]);
});

for (const { limits, logged, end } of [
  {
    limits: { discardedBytes: 10_000 },
    logged: "discardedBytes",
    end: (harness: Harness) => harness.send(...thousands(11)),
  },
  { limits: { discardIdleMs: 200 }, logged: undefined, end: (harness: Harness) => harness.advance(200) },
  { limits: { requestMs: 200 }, logged: "requestMs", end: (harness: Harness) => drip(harness, 220) },
] as const) {
  const [limit] = Object.keys(limits);
  test(`above ${limit} the stream is reset with NO_ERROR, and without that limit it is not reset`, () => {
    const harness = responded(limits);
    assert.deepEqual(end(harness), ["RstStream 1 NO_ERROR"]);
    assert.deepEqual(harness.limits, logged === undefined ? [] : [logged]);
    assert.equal(harness.connection.openStreams, 0);
    assert.deepEqual(harness.send(data(1, "late", 0), data(1, "later")), []);
    const off = responded({ discardIdleMs: Infinity, discardedBytes: Infinity, requestMs: Infinity });
    assert.deepEqual(end(off), []);
    assert.equal(off.connection.openStreams, 1);
  });
}

function thousands(count: number): Buffer[] {
  return Array.from({ length: count }, () => data(1, Buffer.alloc(1_000), 0));
}

test("a response that waits for a window is sent completely before its request is reset", () => {
  const harness = held({}, (exchange) => exchange.respond(OK, Buffer.alloc(70_000), [["x", "1"]]));
  assert.equal(harness.advance(50).at(-1), "Data 1 16383");
  assert.deepEqual([...harness.send(data(1, "a", 0)), ...harness.advance(5_000)], []);
  const more = harness.send(windowUpdate(0, 10_000), windowUpdate(1, 10_000));
  assert.deepEqual(more, ["Data 1 4465", "Headers 1 trailers end"]);
  assert.deepEqual(harness.advance(1_000), ["RstStream 1 NO_ERROR"]);
});

test("a streamed response is sent without delay, and only RST_STREAM is held", () => {
  const harness = Harness.settled((exchange) => {
    exchange.start(OK);
    exchange.write(Buffer.from("no"));
    exchange.end([["x", "1"]]);
  });
  assert.deepEqual(harness.send(headers(1, POST, 0)), ["Headers 1 200", "Data 1 2", "Headers 1 trailers end"]);
  assert.deepEqual(harness.advance(999), []);
  assert.deepEqual(harness.advance(1), ["RstStream 1 NO_ERROR"]);
});

test("a client that cancels before or after the response leaves nothing behind", () => {
  for (const harness of [held(), responded()]) {
    assert.deepEqual(harness.send(data(1, "a", 0), rstStream(1)), []);
    assert.ok(harness.server.early.isEmpty);
    assert.equal(harness.connection.openStreams, 0);
    assert.equal(harness.server.cancelledHandlers.used, 0, "no handler is running for it");
    assert.deepEqual(harness.advance(10_000), []);
  }
});

test("a body that differs from content-length is malformed before and after the response (8.1.1)", () => {
  for (const wait of [0, 50]) {
    const harness = Harness.settled(respondEarly);
    harness.send(headers(1, [...POST, ["content-length", "5"]], 0));
    harness.advance(wait);
    assert.deepEqual(harness.send(data(1, "ab")), ["RstStream 1 PROTOCOL_ERROR"]);
    assert.ok(harness.server.early.isEmpty);
  }
});

test("a held response that cannot be sent is an error of its handler, and resets the stream", () => {
  const harness = held({}, (exchange) => exchange.respond({ status: 200, fields: [["X", "1"]] }, Buffer.alloc(0)));
  assert.deepEqual(harness.send(data(1, "a")), ["RstStream 1 INTERNAL_ERROR"]);
  assert.match(String(harness.errors[0]), /send (head|fields): /);
});

test("the body ends for its reader when the response is complete", async () => {
  const harness = held({}, () => {});
  const exchange = harness.exchanges[0] as Exchange;
  const reader = exchange.body[Symbol.asyncIterator]();
  const next = reader.next();
  respondEarly(exchange);
  assert.equal((await next).done, true);
  harness.send(data(1, "late", 0));
  assert.equal((await reader.next()).done, true);
  assert.equal(harness.server.buffered.used, 0);
});

test("a server that drains holds no responses", () => {
  const harness = Harness.settled(respondEarly);
  harness.server.early.holdsResponses = false;
  assert.deepEqual(harness.send(headers(1, POST, 0)), RESPONSE);
});
