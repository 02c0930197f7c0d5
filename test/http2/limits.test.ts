/** Each limit on a peer's attacks: it stops its attack, and without it no other limit does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EMPTY_BYTES, type Exchange, type Handler } from "../../src/server/http/exchange.ts";
import { Flag, FrameType, SettingId } from "../../src/server/http2/frames/types.ts";
import { encodeBlock } from "../../src/server/http2/hpack/encoder.ts";
import type { Limits } from "../../src/server/limits/limits.ts";
import { data, frame, GET, headers, POST, PREFACE, ping, rstStream, settings, windowUpdate } from "./support/frames.ts";
import { echo, Harness, OK } from "./support/harness.ts";

const ignore: Handler = () => {};
const bufferBody: Handler = (exchange) =>
  exchange.bufferBody(
    1 << 20,
    () => {},
    () => {},
  );

/** Turns all limits off. A case turns on its own. */
const OFF: Partial<Limits> = Object.freeze({
  headerBlockBytes: Infinity,
  continuationFrames: Infinity,
  bufferedBytesPerConnection: Infinity,
  bufferedBytes: Infinity,
  controlFramesPerSecond: Infinity,
  resetsPerSecond: Infinity,
  cancelledHandlersPerConnection: Infinity,
  cancelledHandlers: Infinity,
  settingsMs: Infinity,
  headersMs: Infinity,
  requestMs: Infinity,
  idleMs: Infinity,
  keepaliveMs: Infinity,
  pingTimeoutMs: Infinity,
  readBytesPerSecond: 0,
});

interface Case {
  readonly limits: Partial<Limits>;
  readonly handler?: Handler;
  /** True if the peer has not sent its preface. */
  readonly fresh?: boolean;
  /** Attacks the server. Returns the frames that the server sends. */
  readonly attack: (harness: Harness) => readonly string[];
  /** Matches the last frame that the server sends if the limit is on. */
  readonly expected: RegExp;
}

function repeat(count: number, make: (i: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));
}

function flood(frame: Buffer): Pick<Case, "limits" | "attack" | "expected"> {
  return {
    limits: { controlFramesPerSecond: 10 },
    attack: (harness) =>
      harness.send(
        headers(1, POST, 0),
        repeat(50, () => frame),
      ),
    expected: /^Goaway 1 ENHANCE_YOUR_CALM: control frames exceed 10 per second$/,
  };
}

const open = headers(1, POST, 0);

const CASES: Record<string, Case> = {
  "a field block with too many bytes": {
    limits: { headerBlockBytes: 1000 },
    attack: (harness) =>
      harness.send(
        frame(FrameType.Headers, Flag.EndStream, 1, encodeBlock(GET)),
        frame(FrameType.Continuation, Flag.EndHeaders, 1, encodeBlock([["x", "\xff".repeat(1000)]])),
      ),
    expected: /^Goaway 0 ENHANCE_YOUR_CALM: field block exceeds 1000 bytes$/,
  },
  "a field block with too many CONTINUATION frames (CVE-2024-27316)": {
    limits: { continuationFrames: 4 },
    attack: (harness) =>
      harness.send(
        frame(FrameType.Headers, 0, 1, encodeBlock(GET)),
        repeat(5, () => frame(FrameType.Continuation, 0, 1, "")),
      ),
    expected: /^Goaway 0 ENHANCE_YOUR_CALM: field block exceeds 4 CONTINUATION frames$/,
  },
  "too many buffered bytes on one connection": {
    limits: { bufferedBytesPerConnection: 25 },
    handler: bufferBody,
    attack: (harness) =>
      harness.send(repeat(3, (i) => Buffer.concat([headers(1 + 2 * i, POST, 0), data(1 + 2 * i, "1234567890", 0)]))),
    expected: /^RstStream 5 ENHANCE_YOUR_CALM$/,
  },
  "too many buffered bytes in the whole server": {
    limits: { bufferedBytes: 25 },
    handler: bufferBody,
    attack: (harness) =>
      harness.send(repeat(3, (i) => Buffer.concat([headers(1 + 2 * i, POST, 0), data(1 + 2 * i, "1234567890", 0)]))),
    expected: /^RstStream 5 ENHANCE_YOUR_CALM$/,
  },
  "a flood of PING (CVE-2019-9512)": flood(ping()),
  "a flood of acknowledgements without a PING": flood(ping("12345678", Flag.Ack)),
  "a flood of SETTINGS (CVE-2019-9515)": flood(settings([SettingId.EnablePush, 0])),
  "a flood of acknowledgements of SETTINGS": flood(frame(FrameType.Settings, Flag.Ack, 0)),
  "a flood of PRIORITY (CVE-2019-9513)": flood(frame(FrameType.Priority, 0, 1, Buffer.alloc(5))),
  "a flood of empty DATA (CVE-2019-9518)": flood(data(1, "", 0)),
  "a flood of DATA that is only padding (CVE-2019-9518)": flood(
    frame(FrameType.Data, Flag.Padded, 1, "\x05\0\0\0\0\0"),
  ),
  "a flood of WINDOW_UPDATE": flood(windowUpdate(1, 1)),
  "a flood of GOAWAY": flood(frame(FrameType.Goaway, 0, 0, Buffer.alloc(8))),
  "a flood of frames of an unknown type": flood(frame(0x42, 0, 0)),
  "a window that is widened by single bytes (CVE-2019-9511)": {
    limits: { controlFramesPerSecond: 10 },
    handler: (exchange) => exchange.respond(OK, Buffer.alloc(1 << 20)),
    attack: (harness) =>
      harness.send(
        settings([SettingId.InitialWindowSize, 0]),
        headers(1, GET),
        repeat(100, () => windowUpdate(1, 1)),
      ),
    expected: /^Goaway 1 ENHANCE_YOUR_CALM: control frames exceed 10 per second$/,
  },
  "rapid reset (CVE-2023-44487)": {
    limits: { resetsPerSecond: 5 },
    handler: ignore,
    attack: (harness) =>
      harness.send(repeat(30, (i) => Buffer.concat([headers(1 + 2 * i, GET), rstStream(1 + 2 * i)]))),
    expected: /^Goaway 41 ENHANCE_YOUR_CALM: reset streams exceed 5 per second$/,
  },
  "rapid reset of calls with an immediate response": {
    limits: { resetsPerSecond: 5 },
    attack: (harness) =>
      harness.send(repeat(30, (i) => Buffer.concat([headers(1 + 2 * i, GET), rstStream(1 + 2 * i)]))),
    expected: /^Goaway 41 ENHANCE_YOUR_CALM: reset streams exceed 5 per second$/,
  },
  "errors that make the server reset streams (CVE-2025-8671)": {
    limits: { resetsPerSecond: 5 },
    handler: ignore,
    attack: (harness) =>
      harness.send(repeat(30, (i) => Buffer.concat([headers(1 + 2 * i, GET), windowUpdate(1 + 2 * i, 0)]))),
    expected: /^Goaway 41 ENHANCE_YOUR_CALM: reset streams exceed 5 per second$/,
  },
  "a flood of malformed requests": {
    limits: { resetsPerSecond: 5 },
    attack: (harness) => harness.send(repeat(30, (i) => headers(1 + 2 * i, [["x", "1"]]))),
    expected: /^Goaway 41 ENHANCE_YOUR_CALM: reset streams exceed 5 per second$/,
  },
  "too many handlers that are running for reset streams": {
    limits: { cancelledHandlersPerConnection: 5 },
    handler: ignore,
    attack: (harness) =>
      harness.send(repeat(30, (i) => Buffer.concat([headers(1 + 2 * i, GET), rstStream(1 + 2 * i)]))),
    expected: /^Goaway 11 ENHANCE_YOUR_CALM: handlers running for reset streams exceed 5$/,
  },
  "too many handlers that are running for the cancelled calls of all connections": {
    limits: { cancelledHandlers: 5 },
    handler: ignore,
    attack: (harness) => harness.send(repeat(6, (i) => Buffer.concat([headers(1 + 2 * i, GET), rstStream(1 + 2 * i)]))),
    expected: /^RstStream 11 REFUSED_STREAM$/,
  },
  "a peer that sends nothing": {
    limits: { settingsMs: 100 },
    fresh: true,
    attack: (harness) => [...harness.advance(100).slice(2), ...harness.advance(1)],
    expected: /^Goaway 0 SETTINGS_TIMEOUT: SETTINGS and its acknowledgement took over 100 ms$/,
  },
  "a peer that sends its preface and nothing more": {
    limits: { settingsMs: 100 },
    fresh: true,
    attack: (harness) => {
      harness.send(PREFACE);
      return harness.advance(101);
    },
    expected: /^Goaway 0 SETTINGS_TIMEOUT/,
  },
  "a peer that does not acknowledge SETTINGS": {
    limits: { settingsMs: 100 },
    fresh: true,
    attack: (harness) => {
      harness.send(PREFACE, settings());
      return harness.advance(101);
    },
    expected: /^Goaway 0 SETTINGS_TIMEOUT/,
  },
  "a field block that does not end": {
    limits: { headersMs: 100 },
    attack: (harness) => {
      harness.send(frame(FrameType.Headers, 0, 1, encodeBlock(GET)));
      harness.advance(60);
      harness.send(frame(FrameType.Continuation, 0, 1, "\x88"));
      return harness.advance(60);
    },
    expected: /^Goaway 0 ENHANCE_YOUR_CALM: field block took over 100 ms$/,
  },
  "HEADERS that are sent slowly": {
    limits: { headersMs: 100 },
    attack: (harness) => {
      harness.send(headers(1, GET).subarray(0, 10));
      harness.advance(60);
      harness.send(headers(1, GET).subarray(10, 12));
      return harness.advance(60);
    },
    expected: /^Goaway 0 ENHANCE_YOUR_CALM: field block took over 100 ms$/,
  },
  "a request whose body is not sent": {
    limits: { requestMs: 100 },
    handler: bufferBody,
    attack: (harness) => {
      harness.send(open, data(1, "a", 0));
      harness.advance(60);
      harness.send(data(1, "a", 0));
      return harness.advance(60);
    },
    expected: /^RstStream 1 NO_ERROR$/,
  },
  "a connection without streams": {
    limits: { idleMs: 100 },
    attack: (harness) => {
      harness.advance(60);
      harness.send(ping());
      harness.advance(60);
      return harness.send(ping("farewell", Flag.Ack));
    },
    expected: /^Goaway 0 NO_ERROR: no stream for over 100 ms$/,
  },
  "a peer that sends nothing while a call is in flight": {
    limits: { keepaliveMs: 100 },
    handler: ignore,
    attack: (harness) => {
      harness.send(headers(1, GET));
      return harness.advance(101);
    },
    expected: /^Ping$/,
  },
  "a peer that does not acknowledge PING": {
    limits: { keepaliveMs: 100, pingTimeoutMs: 50 },
    handler: ignore,
    attack: (harness) => {
      harness.send(headers(1, GET));
      harness.advance(101);
      return harness.advance(51);
    },
    expected: /^Goaway 1 NO_ERROR: PING was not answered in 50 ms$/,
  },
  "a peer that hardly widens its window": {
    limits: { readBytesPerSecond: 1000, readRateMs: 1000 },
    handler: (exchange) => exchange.respond(OK, Buffer.alloc(10_000)),
    attack: (harness) => {
      harness.send(settings([SettingId.InitialWindowSize, 0]), headers(1, GET));
      harness.advance(10);
      harness.send(ping(), windowUpdate(1, 500));
      return harness.advance(1000);
    },
    expected: /^Goaway 1 ENHANCE_YOUR_CALM: responses are read at 500 bytes per second, below 1000$/,
  },
  "a peer that does not read": {
    limits: { readBytesPerSecond: 1000, readRateMs: 1000 },
    handler: (exchange) => exchange.respond(OK, Buffer.alloc(10_000)),
    attack: (harness) => {
      harness.send(headers(1, GET));
      harness.connection.setUnsentBytes(10_000);
      harness.advance(10);
      return harness.advance(1000);
    },
    expected: /^Goaway 1 ENHANCE_YOUR_CALM: responses are read at 0 bytes per second, below 1000$/,
  },
};

for (const [name, { limits, handler = echo, fresh = false, attack, expected }] of Object.entries(CASES)) {
  const run = (limits: Partial<Limits>) => {
    const harness = fresh ? new Harness(handler, limits) : Harness.settled(handler, limits);
    const sent = attack(harness);
    assert.deepEqual(harness.errors, []);
    return { last: sent.at(-1) ?? "", closed: harness.connection.isClosed };
  };

  test(`a limit stops ${name}`, () => {
    const { last, closed } = run({ ...OFF, ...limits });
    assert.match(last, expected);
    assert.equal(closed, last.startsWith("Goaway"));
  });

  test(`without that limit nothing else stops ${name}`, () => {
    const { last, closed } = run(OFF);
    assert.doesNotMatch(last, expected);
    assert.equal(closed, false);
  });
}

test("a request that takes too long gets status 408, and its handler is cancelled", () => {
  let cancelled = 0;
  const harness = Harness.settled(
    (exchange) => {
      bufferBody(exchange);
      exchange.onCancelled = () => cancelled++;
    },
    { ...OFF, requestMs: 100 },
  );
  harness.send(open, headers(3, POST, 0), data(3, "whole"));
  assert.deepEqual(harness.advance(101), ["Headers 1 408 end", "RstStream 1 NO_ERROR"]);
  assert.equal(cancelled, 1, "a handler that has its whole request is not cancelled");
  assert.equal(harness.server.buffered.used, 0);
});

test("a request that is refused because of other peers does not count as a reset", () => {
  const tooManyHandlers = Harness.settled(echo, { cancelledHandlers: 0, resetsPerSecond: 5 });
  const tooManyBytes = Harness.settled(bufferBody, { bufferedBytes: 5, resetsPerSecond: 5 });
  for (let id = 1; id < 200; id += 2) {
    assert.deepEqual(tooManyHandlers.send(headers(id, GET)), [`RstStream ${id} REFUSED_STREAM`]);
    const sent = tooManyBytes.send(headers(id, POST, 0), data(id, "1234567890", 0));
    assert.deepEqual(sent, [`RstStream ${id} ENHANCE_YOUR_CALM`]);
  }
});

test("a streamed body has no time limit", () => {
  const harness = Harness.settled((exchange) => void exchange.body[Symbol.asyncIterator]().next(), { requestMs: 100 });
  harness.send(open, data(1, "a", 0));
  assert.deepEqual(harness.advance(1_000), []);
});

test("a client may cancel a thousand calls in one burst", () => {
  const harness = Harness.settled(ignore);
  const burst = harness.send(repeat(1_000, (i) => Buffer.concat([headers(1 + 2 * i, GET), rstStream(1 + 2 * i)])));
  assert.deepEqual(burst, []);
  for (const exchange of harness.exchanges.splice(0)) exchange.reset();
  assert.deepEqual(harness.send(headers(2001, GET)), []);
  (harness.exchanges[0] as Exchange).respond(OK, EMPTY_BYTES);
  assert.deepEqual(harness.sent(), ["Headers 2001 200 end"]);
});

test("control frames at the permitted rate are accepted without end", () => {
  const harness = Harness.settled(echo, { controlFramesPerSecond: 10 });
  for (let second = 0; second < 100; second++) {
    assert.equal(harness.send(repeat(10, () => ping())).length, 10);
    harness.advance(1_000);
  }
});

test("a long response permits the WINDOW_UPDATE frames of its reader", () => {
  const harness = Harness.settled((exchange) => exchange.respond(OK, Buffer.alloc(1 << 20)), {
    controlFramesPerSecond: 5,
  });
  harness.send(headers(1, GET));
  for (let i = 0; i < 1_000; i++) {
    const sent = harness.send(windowUpdate(0, 100), windowUpdate(1, 100));
    assert.ok(sent.every((text) => text.startsWith("Data")));
  }
});

test("each small message permits a PING and a WINDOW_UPDATE of the peer", () => {
  const harness = Harness.settled(ignore, { controlFramesPerSecond: 5 });
  harness.send(headers(1, POST, 0));
  harness.exchanges[0]?.start(OK);
  for (let i = 0; i < 1_000; i++) {
    harness.exchanges[0]?.write(Buffer.from("hi"));
    const sent = harness.send(data(1, "ho", 0), ping(), windowUpdate(0, 2));
    assert.ok(sent.includes("Data 1 2") && sent.includes("Ping ack"));
  }
});

test("a peer that acknowledges PING stays connected during a long call", () => {
  const harness = Harness.settled(ignore, { keepaliveMs: 100, pingTimeoutMs: 50 });
  harness.send(headers(1, GET));
  for (let i = 0; i < 20; i++) {
    assert.deepEqual(harness.advance(101), ["Ping"]);
    harness.send(ping("\0\0\0\0\0\0\0\0", Flag.Ack));
  }
});

test("the timeout of a field block begins with its first byte, also on a busy connection", () => {
  const harness = Harness.settled(echo, { headersMs: 100 });
  let rest: Buffer = Buffer.alloc(0);
  for (let id = 1; id < 60; id += 2) {
    const next = headers(id, GET);
    harness.send(rest, next.subarray(0, 12));
    rest = next.subarray(12);
    assert.deepEqual(harness.advance(60), [], `stream ${id}`);
  }
});

test("slow DATA has the timeout of its request, not that of a field block", () => {
  const harness = Harness.settled(bufferBody, { ...OFF, headersMs: 100, requestMs: 1_000 });
  harness.send(open, data(1, "hello").subarray(0, 11));
  assert.deepEqual(harness.advance(900), []);
  assert.deepEqual(harness.advance(101), ["Headers 1 408 end", "RstStream 1 NO_ERROR"]);
});

test("buffered bytes count only until they are passed to the handler", () => {
  const harness = Harness.settled(echo, { bufferedBytesPerConnection: 15 });
  for (let id = 1; id < 20; id += 2) {
    assert.deepEqual(harness.send(headers(id, POST, 0), data(id, "1234567890", 0), data(id, "")), [
      `Headers ${id} 200`,
      `Data ${id} 10 end`,
    ]);
  }
});
