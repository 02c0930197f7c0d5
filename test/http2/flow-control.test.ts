/** What waits for windows, and in which order it goes out (RFC 9113, 5.2 and 6.9). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SettingId } from "../../src/server/http2/frames/types.ts";
import { Bench, OK } from "./support/bench.ts";
import { GET, headers, ping, rstStream, settings, windowUpdate } from "./support/wire.ts";

/** Answers with as many bytes as the path says. */
function sized(exchange: Parameters<ConstructorParameters<typeof Bench>[0] & {}>[0]): void {
  exchange.respond(OK, Buffer.alloc(Number(exchange.request.path.slice(1))));
}

function get(id: number, bytes: number): Buffer {
  return headers(id, [...GET.filter(([name]) => name !== ":path"), [":path", `/${bytes}`]]);
}

test("no stream sends more than its window, nor all of them more than the connection's (6.9.1)", () => {
  const bench = Bench.settled(sized);
  assert.deepEqual(bench.send(settings([SettingId.InitialWindowSize, 10]), get(1, 15)).slice(1), [
    "Headers 1 200",
    "Data 1 10",
  ]);
  assert.deepEqual(bench.send(windowUpdate(1, 4)), ["Data 1 4"]);
  assert.deepEqual(bench.send(windowUpdate(1, 4)), ["Data 1 1 end"]);
  bench.send(settings([SettingId.InitialWindowSize, 1 << 20]), get(3, 65_520));
  assert.deepEqual(bench.send(get(5, 10)), ["Headers 5 200"]);
  assert.deepEqual(bench.send(windowUpdate(0, 10)), ["Data 5 10 end"]);
});

test("a window that is opened to just what waits ends the stream with that frame", () => {
  const bench = Bench.settled(sized);
  bench.send(settings([SettingId.InitialWindowSize, 0]), get(1, 5));
  assert.deepEqual(bench.send(windowUpdate(1, 5)), ["Data 1 5 end"]);
});

test("SETTINGS_INITIAL_WINDOW_SIZE changes the windows of open streams, below 0 too (6.9.2)", () => {
  const bench = Bench.settled(sized);
  bench.send(settings([SettingId.InitialWindowSize, 10]), get(1, 30));
  assert.deepEqual(bench.send(settings([SettingId.InitialWindowSize, 5])), ["Settings ack"]);
  assert.deepEqual(bench.send(windowUpdate(1, 5)), [], "the window is 0");
  assert.deepEqual(bench.send(settings([SettingId.InitialWindowSize, 8])), ["Settings ack", "Data 1 3"]);
});

test("a change of SETTINGS_INITIAL_WINDOW_SIZE that makes a window over 2^31-1 ends the connection (6.9.2)", () => {
  const bench = Bench.settled(() => {});
  bench.send(headers(1, GET), windowUpdate(1, 0x7fff_0000));
  assert.match(bench.send(settings([SettingId.InitialWindowSize, 0x7fff_ffff])).at(-1) ?? "", /FLOW_CONTROL_ERROR/);
});

test("streams share a connection's window frame by frame: a small answer does not wait for large ones", () => {
  const bench = Bench.settled(sized);
  bench.send(settings([SettingId.InitialWindowSize, 1 << 20]), get(1, 1 << 20), get(3, 1 << 20));
  bench.send(get(5, 100), get(7, 20_000));
  const words = bench.send(windowUpdate(0, 200_000));
  assert.deepEqual(words.slice(0, 6), [
    "Data 1 16384",
    "Data 3 16384",
    "Data 5 100 end",
    "Data 7 16384",
    "Data 1 16384",
    "Data 3 16384",
  ]);
  assert.equal(words[6], "Data 7 3616 end");
});

test("a stream without a window holds up no other", () => {
  const bench = Bench.settled(sized);
  bench.send(get(1, 70_000), windowUpdate(0, 1 << 20));
  assert.deepEqual(bench.send(get(3, 5)), ["Headers 3 200", "Data 3 5 end"]);
});

test("what waited for a stream that was reset is forgotten", () => {
  const bench = Bench.settled(sized);
  bench.send(get(1, 100_000), get(3, 100_000), rstStream(1));
  assert.equal(bench.connection.queuedBytes, 100_000);
  assert.deepEqual(bench.send(windowUpdate(0, 10)), ["Data 3 10"]);
});

test("bodies wait while the peer does not take what was said, and heads and answers to PING do not", () => {
  const bench = Bench.settled(sized);
  bench.send(windowUpdate(0, 1 << 20));
  bench.connection.setUnsentBytes(1 << 19);
  assert.deepEqual(bench.send(get(1, 100), ping()), ["Headers 1 200", "Ping ack", "Data 1 100 end"]);
  bench.connection.setUnsentBytes(1 << 19);
  bench.connection.receive(get(3, 100));
  assert.equal(bench.connection.queuedBytes, (1 << 19) + 100);
  assert.equal(bench.connection.isPaused, false);
  bench.connection.setUnsentBytes((1 << 20) + 1);
  assert.ok(bench.connection.isPaused, "over the bound nothing more is read");
  bench.connection.setUnsentBytes(0);
  assert.equal(bench.connection.isPaused, false);
});

test("a large answer leaves in buffers, none of which is used again", () => {
  const bench = Bench.settled((exchange) => {
    exchange.start(OK);
    for (let i = 0; i < 8; i++) exchange.write(Buffer.alloc(30_000, i));
    exchange.end();
  });
  bench.send(settings([SettingId.InitialWindowSize, 1 << 20]), windowUpdate(0, 1 << 20));
  bench.connection.receive(get(1, 0));
  const parts: Buffer[] = [];
  for (let part = bench.connection.takeOutput(); part !== undefined; part = bench.connection.takeOutput())
    parts.push(part);
  const before = Buffer.concat(parts);
  assert.ok(before.length > 200_000);
  bench.send(get(3, 0), get(5, 0));
  assert.deepEqual(Buffer.concat(parts), before);
});

test("a stream that is reset while its answer waits for the connection's window waits no more", () => {
  const bench = Bench.settled(sized);
  bench.send(settings([SettingId.InitialWindowSize, 1 << 20]), get(1, 65_535));
  assert.deepEqual(bench.send(get(3, 10)), ["Headers 3 200"]);
  bench.send(rstStream(3));
  assert.deepEqual(bench.send(get(5, 0)), ["Headers 5 200 end"], "nothing waits before it");
});
