/** Flow-control windows, and the order in which streams send (RFC 9113, 5.2 and 6.9). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SettingId } from "../../src/server/http2/frames/types.ts";
import { GET, headers, ping, rstStream, settings, windowUpdate } from "./support/frames.ts";
import { Harness, OK } from "./support/harness.ts";

/** Responds with as many bytes as the path says. */
function sized(exchange: Parameters<ConstructorParameters<typeof Harness>[0] & {}>[0]): void {
  exchange.respond(OK, Buffer.alloc(Number(exchange.request.path.slice(1))));
}

function get(id: number, bytes: number): Buffer {
  return headers(id, [...GET.filter(([name]) => name !== ":path"), [":path", `/${bytes}`]]);
}

test("no stream sends more than its window allows, and all of them no more than the connection's (6.9.1)", () => {
  const harness = Harness.settled(sized);
  assert.deepEqual(harness.send(settings([SettingId.InitialWindowSize, 10]), get(1, 15)).slice(1), [
    "Headers 1 200",
    "Data 1 10",
  ]);
  assert.deepEqual(harness.send(windowUpdate(1, 4)), ["Data 1 4"]);
  assert.deepEqual(harness.send(windowUpdate(1, 4)), ["Data 1 1 end"]);
  harness.send(settings([SettingId.InitialWindowSize, 1 << 20]), get(3, 65_520));
  assert.deepEqual(harness.send(get(5, 10)), ["Headers 5 200"]);
  assert.deepEqual(harness.send(windowUpdate(0, 10)), ["Data 5 10 end"]);
});

test("if the window grows to the size of the queued bytes, the frame with them ends the stream", () => {
  const harness = Harness.settled(sized);
  harness.send(settings([SettingId.InitialWindowSize, 0]), get(1, 5));
  assert.deepEqual(harness.send(windowUpdate(1, 5)), ["Data 1 5 end"]);
});

test("SETTINGS_INITIAL_WINDOW_SIZE changes the windows of open streams, even to below 0 (6.9.2)", () => {
  const harness = Harness.settled(sized);
  harness.send(settings([SettingId.InitialWindowSize, 10]), get(1, 30));
  assert.deepEqual(harness.send(settings([SettingId.InitialWindowSize, 5])), ["Settings ack"]);
  assert.deepEqual(harness.send(windowUpdate(1, 5)), [], "the window is 0");
  assert.deepEqual(harness.send(settings([SettingId.InitialWindowSize, 8])), ["Settings ack", "Data 1 3"]);
});

test("a SETTINGS_INITIAL_WINDOW_SIZE that makes a window exceed 2^31-1 ends the connection (6.9.2)", () => {
  const harness = Harness.settled(() => {});
  harness.send(headers(1, GET), windowUpdate(1, 0x7fff_0000));
  assert.match(harness.send(settings([SettingId.InitialWindowSize, 0x7fff_ffff])).at(-1) ?? "", /FLOW_CONTROL_ERROR/);
});

test("streams share the connection's window frame by frame, so that a small response does not wait for large ones", () => {
  const harness = Harness.settled(sized);
  harness.send(settings([SettingId.InitialWindowSize, 1 << 20]), get(1, 1 << 20), get(3, 1 << 20));
  harness.send(get(5, 100), get(7, 20_000));
  const sent = harness.send(windowUpdate(0, 200_000));
  assert.deepEqual(sent.slice(0, 6), [
    "Data 1 16384",
    "Data 3 16384",
    "Data 5 100 end",
    "Data 7 16384",
    "Data 1 16384",
    "Data 3 16384",
  ]);
  assert.equal(sent[6], "Data 7 3616 end");
});

test("a stream without a window does not block others", () => {
  const harness = Harness.settled(sized);
  harness.send(get(1, 70_000), windowUpdate(0, 1 << 20));
  assert.deepEqual(harness.send(get(3, 5)), ["Headers 3 200", "Data 3 5 end"]);
});

test("the queued bytes of a stream that was reset are discarded", () => {
  const harness = Harness.settled(sized);
  harness.send(get(1, 100_000), get(3, 100_000), rstStream(1));
  assert.equal(harness.connection.queuedBytes, 100_000);
  assert.deepEqual(harness.send(windowUpdate(0, 10)), ["Data 3 10"]);
});

test("bodies are queued while the peer does not read, but headers and acknowledgements of PING are sent", () => {
  const harness = Harness.settled(sized);
  harness.send(windowUpdate(0, 1 << 20));
  harness.connection.setUnsentBytes(1 << 19);
  assert.deepEqual(harness.send(get(1, 100), ping()), ["Headers 1 200", "Ping ack", "Data 1 100 end"]);
  harness.connection.setUnsentBytes(1 << 19);
  harness.connection.receive(get(3, 100));
  assert.equal(harness.connection.queuedBytes, (1 << 19) + 100);
  assert.equal(harness.connection.isPaused, false);
  harness.connection.setUnsentBytes((1 << 20) + 1);
  assert.ok(harness.connection.isPaused, "over the limit nothing more is read");
  harness.connection.setUnsentBytes(0);
  assert.equal(harness.connection.isPaused, false);
});

test("the buffers of a large response are not used again", () => {
  const harness = Harness.settled((exchange) => {
    exchange.start(OK);
    for (let i = 0; i < 8; i++) exchange.write(Buffer.alloc(30_000, i));
    exchange.end();
  });
  harness.send(settings([SettingId.InitialWindowSize, 1 << 20]), windowUpdate(0, 1 << 20));
  harness.connection.receive(get(1, 0));
  const parts: Buffer[] = [];
  for (let part = harness.connection.takeOutput(); part !== undefined; part = harness.connection.takeOutput())
    parts.push(part);
  const before = Buffer.concat(parts);
  assert.ok(before.length > 200_000);
  harness.send(get(3, 0), get(5, 0));
  assert.deepEqual(Buffer.concat(parts), before);
});

test("a stream that is reset while its response waits for the connection's window does not block the next one", () => {
  const harness = Harness.settled(sized);
  harness.send(settings([SettingId.InitialWindowSize, 1 << 20]), get(1, 65_535));
  assert.deepEqual(harness.send(get(3, 10)), ["Headers 3 200"]);
  harness.send(rstStream(3));
  assert.deepEqual(harness.send(get(5, 0)), ["Headers 5 200 end"], "nothing is queued before it");
});
