/** Each bound on what a peer may cost: what it does, and that without it nothing else does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Exchange, Handler } from "../../src/server/http/exchange.ts";
import { Flag, FrameType, SettingId } from "../../src/server/http2/frames/types.ts";
import { encodeBlock } from "../../src/server/http2/hpack/encoder.ts";
import type { Limits } from "../../src/server/limits/limits.ts";
import { Bench, echo, OK } from "./support/bench.ts";
import { data, frame, GET, headers, POST, PREFACE, ping, rstStream, settings, windowUpdate } from "./support/wire.ts";

const NOTHING = new Uint8Array(0);
const silent: Handler = () => {};
const bufferBody: Handler = (exchange) =>
  exchange.bufferBody(
    1 << 20,
    () => {},
    () => {},
  );

/** All bounds off but the ones that a case turns on. */
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
  /** The peer has not said anything yet. */
  readonly fresh?: boolean;
  /** What the peer does; the last of what it is told in return is what the case is about. */
  readonly attack: (bench: Bench) => readonly string[];
  readonly answer: RegExp;
}

function repeat(count: number, make: (i: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));
}

function flood(what: Buffer): Pick<Case, "limits" | "attack" | "answer"> {
  return {
    limits: { controlFramesPerSecond: 10 },
    attack: (bench) =>
      bench.send(
        headers(1, POST, 0),
        repeat(50, () => what),
      ),
    answer: /^Goaway 1 ENHANCE_YOUR_CALM: control frames exceed 10 per second$/,
  };
}

const open = headers(1, POST, 0);

const CASES: Record<string, Case> = {
  "a field block over its bytes": {
    limits: { headerBlockBytes: 1000 },
    attack: (bench) =>
      bench.send(
        frame(FrameType.Headers, Flag.EndStream, 1, encodeBlock(GET)),
        frame(FrameType.Continuation, Flag.EndHeaders, 1, encodeBlock([["x", "\xff".repeat(1000)]])),
      ),
    answer: /^Goaway 0 ENHANCE_YOUR_CALM: field block exceeds 1000 bytes$/,
  },
  "a field block over its CONTINUATION frames (CVE-2024-27316)": {
    limits: { continuationFrames: 4 },
    attack: (bench) =>
      bench.send(
        frame(FrameType.Headers, 0, 1, encodeBlock(GET)),
        repeat(5, () => frame(FrameType.Continuation, 0, 1, "")),
      ),
    answer: /^Goaway 0 ENHANCE_YOUR_CALM: field block exceeds 4 CONTINUATION frames$/,
  },
  "bodies buffered on one connection": {
    limits: { bufferedBytesPerConnection: 25 },
    handler: bufferBody,
    attack: (bench) =>
      bench.send(repeat(3, (i) => Buffer.concat([headers(1 + 2 * i, POST, 0), data(1 + 2 * i, "1234567890", 0)]))),
    answer: /^RstStream 5 ENHANCE_YOUR_CALM$/,
  },
  "bodies buffered over the whole server": {
    limits: { bufferedBytes: 25 },
    handler: bufferBody,
    attack: (bench) =>
      bench.send(repeat(3, (i) => Buffer.concat([headers(1 + 2 * i, POST, 0), data(1 + 2 * i, "1234567890", 0)]))),
    answer: /^RstStream 5 ENHANCE_YOUR_CALM$/,
  },
  "a flood of PING (CVE-2019-9512)": flood(ping()),
  "a flood of answers to no PING": flood(ping("12345678", Flag.Ack)),
  "a flood of SETTINGS (CVE-2019-9515)": flood(settings([SettingId.EnablePush, 0])),
  "a flood of acknowledgements of SETTINGS": flood(frame(FrameType.Settings, Flag.Ack, 0)),
  "a flood of PRIORITY (CVE-2019-9513)": flood(frame(FrameType.Priority, 0, 1, Buffer.alloc(5))),
  "a flood of empty DATA (CVE-2019-9518)": flood(data(1, "", 0)),
  "a flood of DATA that is only padding (CVE-2019-9518)": flood(
    frame(FrameType.Data, Flag.Padded, 1, "\x05\0\0\0\0\0"),
  ),
  "a flood of WINDOW_UPDATE": flood(windowUpdate(1, 1)),
  "a flood of GOAWAY": flood(frame(FrameType.Goaway, 0, 0, Buffer.alloc(8))),
  "a flood of frames of no known type": flood(frame(0x42, 0, 0)),
  "windows opened by single bytes (CVE-2019-9511)": {
    limits: { controlFramesPerSecond: 10 },
    handler: (exchange) => exchange.respond(OK, Buffer.alloc(1 << 20)),
    attack: (bench) =>
      bench.send(
        settings([SettingId.InitialWindowSize, 0]),
        headers(1, GET),
        repeat(100, () => windowUpdate(1, 1)),
      ),
    answer: /^Goaway 1 ENHANCE_YOUR_CALM: control frames exceed 10 per second$/,
  },
  "rapid reset (CVE-2023-44487)": {
    limits: { resetsPerSecond: 5 },
    handler: silent,
    attack: (bench) => bench.send(repeat(30, (i) => Buffer.concat([headers(1 + 2 * i, GET), rstStream(1 + 2 * i)]))),
    answer: /^Goaway 41 ENHANCE_YOUR_CALM: reset streams exceed 5 per second$/,
  },
  "rapid reset of calls that are answered at once": {
    limits: { resetsPerSecond: 5 },
    attack: (bench) => bench.send(repeat(30, (i) => Buffer.concat([headers(1 + 2 * i, GET), rstStream(1 + 2 * i)]))),
    answer: /^Goaway 41 ENHANCE_YOUR_CALM: reset streams exceed 5 per second$/,
  },
  "streams made to be reset by errors of theirs (CVE-2025-8671)": {
    limits: { resetsPerSecond: 5 },
    handler: silent,
    attack: (bench) =>
      bench.send(repeat(30, (i) => Buffer.concat([headers(1 + 2 * i, GET), windowUpdate(1 + 2 * i, 0)]))),
    answer: /^Goaway 41 ENHANCE_YOUR_CALM: reset streams exceed 5 per second$/,
  },
  "malformed requests": {
    limits: { resetsPerSecond: 5 },
    attack: (bench) => bench.send(repeat(30, (i) => headers(1 + 2 * i, [["x", "1"]]))),
    answer: /^Goaway 41 ENHANCE_YOUR_CALM: reset streams exceed 5 per second$/,
  },
  "handlers that run on for reset streams": {
    limits: { cancelledHandlersPerConnection: 5 },
    handler: silent,
    attack: (bench) => bench.send(repeat(30, (i) => Buffer.concat([headers(1 + 2 * i, GET), rstStream(1 + 2 * i)]))),
    answer: /^Goaway 11 ENHANCE_YOUR_CALM: handlers running for reset streams exceed 5$/,
  },
  "handlers that run on for all callers that are gone": {
    limits: { cancelledHandlers: 5 },
    handler: silent,
    attack: (bench) => bench.send(repeat(6, (i) => Buffer.concat([headers(1 + 2 * i, GET), rstStream(1 + 2 * i)]))),
    answer: /^RstStream 11 REFUSED_STREAM$/,
  },
  "a peer that says nothing": {
    limits: { settingsMs: 100 },
    fresh: true,
    attack: (bench) => [...bench.pass(100).slice(2), ...bench.pass(1)],
    answer: /^Goaway 0 SETTINGS_TIMEOUT: SETTINGS and its acknowledgement took over 100 ms$/,
  },
  "a peer that says its preface and no more": {
    limits: { settingsMs: 100 },
    fresh: true,
    attack: (bench) => {
      bench.send(PREFACE);
      return bench.pass(101);
    },
    answer: /^Goaway 0 SETTINGS_TIMEOUT/,
  },
  "a peer that does not acknowledge SETTINGS": {
    limits: { settingsMs: 100 },
    fresh: true,
    attack: (bench) => {
      bench.send(PREFACE, settings());
      return bench.pass(101);
    },
    answer: /^Goaway 0 SETTINGS_TIMEOUT/,
  },
  "a field block that does not end": {
    limits: { headersMs: 100 },
    attack: (bench) => {
      bench.send(frame(FrameType.Headers, 0, 1, encodeBlock(GET)));
      bench.pass(60);
      bench.send(frame(FrameType.Continuation, 0, 1, "\x88"));
      return bench.pass(60);
    },
    answer: /^Goaway 0 ENHANCE_YOUR_CALM: field block took over 100 ms$/,
  },
  "HEADERS that come byte by byte": {
    limits: { headersMs: 100 },
    attack: (bench) => {
      bench.send(headers(1, GET).subarray(0, 10));
      bench.pass(60);
      bench.send(headers(1, GET).subarray(10, 12));
      return bench.pass(60);
    },
    answer: /^Goaway 0 ENHANCE_YOUR_CALM: field block took over 100 ms$/,
  },
  "a request whose body does not come": {
    limits: { requestMs: 100 },
    handler: bufferBody,
    attack: (bench) => {
      bench.send(open, data(1, "a", 0));
      bench.pass(60);
      bench.send(data(1, "a", 0));
      return bench.pass(60);
    },
    answer: /^RstStream 1 NO_ERROR$/,
  },
  "a connection without streams": {
    limits: { idleMs: 100 },
    attack: (bench) => {
      bench.pass(60);
      bench.send(ping());
      bench.pass(60);
      return bench.send(ping("farewell", Flag.Ack));
    },
    answer: /^Goaway 0 NO_ERROR: no stream for over 100 ms$/,
  },
  "a peer that is silent while a call is under way": {
    limits: { keepaliveMs: 100 },
    handler: silent,
    attack: (bench) => {
      bench.send(headers(1, GET));
      return bench.pass(101);
    },
    answer: /^Ping$/,
  },
  "a peer that does not answer PING": {
    limits: { keepaliveMs: 100, pingTimeoutMs: 50 },
    handler: silent,
    attack: (bench) => {
      bench.send(headers(1, GET));
      bench.pass(101);
      return bench.pass(51);
    },
    answer: /^Goaway 1 NO_ERROR: PING was not answered in 50 ms$/,
  },
  "a peer that never opens its window": {
    limits: { readBytesPerSecond: 1000, readRateMs: 1000 },
    handler: (exchange) => exchange.respond(OK, Buffer.alloc(10_000)),
    attack: (bench) => {
      bench.send(settings([SettingId.InitialWindowSize, 0]), headers(1, GET));
      bench.pass(10);
      bench.send(ping(), windowUpdate(1, 500));
      return bench.pass(1000);
    },
    answer: /^Goaway 1 ENHANCE_YOUR_CALM: responses are read at 500 bytes per second, below 1000$/,
  },
  "a peer that does not read": {
    limits: { readBytesPerSecond: 1000, readRateMs: 1000 },
    handler: (exchange) => exchange.respond(OK, Buffer.alloc(10_000)),
    attack: (bench) => {
      bench.send(headers(1, GET));
      bench.connection.setUnsentBytes(10_000);
      bench.pass(10);
      return bench.pass(1000);
    },
    answer: /^Goaway 1 ENHANCE_YOUR_CALM: responses are read at 0 bytes per second, below 1000$/,
  },
};

for (const [what, { limits, handler = echo, fresh = false, attack, answer }] of Object.entries(CASES)) {
  const run = (bounds: Partial<Limits>) => {
    const bench = fresh ? new Bench(handler, bounds) : Bench.settled(handler, bounds);
    const words = attack(bench);
    assert.deepEqual(bench.errors, []);
    return { last: words.at(-1) ?? "", closed: bench.connection.isClosed };
  };

  test(`bound: ${what}`, () => {
    const { last, closed } = run({ ...OFF, ...limits });
    assert.match(last, answer);
    assert.equal(closed, last.startsWith("Goaway"));
  });

  test(`without that bound nothing else stops ${what}`, () => {
    const { last, closed } = run(OFF);
    assert.doesNotMatch(last, answer);
    assert.equal(closed, false);
  });
}

test("a request that takes too long is answered 408, and its handler told that it is gone", () => {
  let abandoned = 0;
  const bench = Bench.settled(
    (exchange) => {
      bufferBody(exchange);
      exchange.onCancelled = () => abandoned++;
    },
    { ...OFF, requestMs: 100 },
  );
  bench.send(open, headers(3, POST, 0), data(3, "whole"));
  assert.deepEqual(bench.pass(101), ["Headers 1 408 end", "RstStream 1 NO_ERROR"]);
  assert.equal(abandoned, 1, "a handler that has its request may take its time");
  assert.equal(bench.server.buffered.used, 0);
});

test("what other peers use up costs a peer its request, and none of its resets", () => {
  const full = Bench.settled(echo, { cancelledHandlers: 0, resetsPerSecond: 5 });
  const small = Bench.settled(bufferBody, { bufferedBytes: 5, resetsPerSecond: 5 });
  for (let id = 1; id < 200; id += 2) {
    assert.deepEqual(full.send(headers(id, GET)), [`RstStream ${id} REFUSED_STREAM`]);
    const words = small.send(headers(id, POST, 0), data(id, "1234567890", 0));
    assert.deepEqual(words, [`RstStream ${id} ENHANCE_YOUR_CALM`]);
  }
});

test("a streamed body may take as long as it likes", () => {
  const bench = Bench.settled((exchange) => void exchange.body[Symbol.asyncIterator]().next(), { requestMs: 100 });
  bench.send(open, data(1, "a", 0));
  assert.deepEqual(bench.pass(1_000), []);
});

test("a thousand calls cancelled in one burst cost an honest client nothing", () => {
  const bench = Bench.settled(silent);
  const burst = bench.send(repeat(1_000, (i) => Buffer.concat([headers(1 + 2 * i, GET), rstStream(1 + 2 * i)])));
  assert.deepEqual(burst, []);
  for (const exchange of bench.exchanges.splice(0)) exchange.reset();
  assert.deepEqual(bench.send(headers(2001, GET)), []);
  (bench.exchanges[0] as Exchange).respond(OK, NOTHING);
  assert.deepEqual(bench.words(), ["Headers 2001 200 end"]);
});

test("control frames up to the bound go on for ever", () => {
  const bench = Bench.settled(echo, { controlFramesPerSecond: 10 });
  for (let second = 0; second < 100; second++) {
    assert.equal(bench.send(repeat(10, () => ping())).length, 10);
    bench.pass(1_000);
  }
});

test("a long answer earns its reader the updates of its windows", () => {
  const bench = Bench.settled((exchange) => exchange.respond(OK, Buffer.alloc(1 << 20)), { controlFramesPerSecond: 5 });
  bench.send(headers(1, GET));
  for (let i = 0; i < 1_000; i++) {
    const words = bench.send(windowUpdate(0, 100), windowUpdate(1, 100));
    assert.ok(words.every((word) => word.startsWith("Data")));
  }
});

test("small messages that go to and fro earn their peer a PING and an update of its window for each", () => {
  const bench = Bench.settled(silent, { controlFramesPerSecond: 5 });
  bench.send(headers(1, POST, 0));
  bench.exchanges[0]?.start(OK);
  for (let i = 0; i < 1_000; i++) {
    bench.exchanges[0]?.write(Buffer.from("hi"));
    const words = bench.send(data(1, "ho", 0), ping(), windowUpdate(0, 2));
    assert.ok(words.includes("Data 1 2") && words.includes("Ping ack"));
  }
});

test("a PING that is answered keeps a silent peer, however long its call takes", () => {
  const bench = Bench.settled(silent, { keepaliveMs: 100, pingTimeoutMs: 50 });
  bench.send(headers(1, GET));
  for (let i = 0; i < 20; i++) {
    assert.deepEqual(bench.pass(101), ["Ping"]);
    bench.send(ping("\0\0\0\0\0\0\0\0", Flag.Ack));
  }
});

test("a field block's time begins with its first byte, on a connection that is never still", () => {
  const bench = Bench.settled(echo, { headersMs: 100 });
  let rest: Buffer = Buffer.alloc(0);
  for (let id = 1; id < 60; id += 2) {
    const next = headers(id, GET);
    bench.send(rest, next.subarray(0, 12));
    rest = next.subarray(12);
    assert.deepEqual(bench.pass(60), [], `stream ${id}`);
  }
});

test("DATA that comes byte by byte has the time of its request, not that of a field block", () => {
  const bench = Bench.settled(bufferBody, { ...OFF, headersMs: 100, requestMs: 1_000 });
  bench.send(open, data(1, "hello").subarray(0, 11));
  assert.deepEqual(bench.pass(900), []);
  assert.deepEqual(bench.pass(101), ["Headers 1 408 end", "RstStream 1 NO_ERROR"]);
});

test("bytes that are buffered count against the bounds until they are given, and no longer", () => {
  const bench = Bench.settled(echo, { bufferedBytesPerConnection: 15 });
  for (let id = 1; id < 20; id += 2) {
    assert.deepEqual(bench.send(headers(id, POST, 0), data(id, "1234567890", 0), data(id, "")), [
      `Headers ${id} 200`,
      `Data ${id} 10 end`,
    ]);
  }
});
