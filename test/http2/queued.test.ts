/** Queued response bytes: they are counted, shed above the limits, and all released at the end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Exchange } from "../../src/server/http/exchange.ts";
import { SettingId } from "../../src/server/http2/frames/types.ts";
import type { Limits } from "../../src/server/limits/limits.ts";
import { GET, HANDSHAKE, headers, rstStream, settings, windowUpdate } from "./support/frames.ts";
import { Harness, OK } from "./support/harness.ts";

const off = Number.POSITIVE_INFINITY;

/** Responds with as many bytes as the path says. */
function sized(exchange: Exchange): void {
  exchange.respond(OK, Buffer.alloc(Number(exchange.request.path.slice(1))));
}

function get(id: number, bytes: number): Buffer {
  return headers(id, [...GET.filter(([name]) => name !== ":path"), [":path", `/${bytes}`]]);
}

/** Returns a connection whose peer has windows of 0 bytes. */
function closedWindows(handler: (exchange: Exchange) => void, limits: Partial<Limits>): Harness {
  const harness = Harness.settled(handler, limits);
  harness.send(settings([SettingId.InitialWindowSize, 0]));
  return harness;
}

for (const [name, end] of Object.entries<(harness: Harness) => unknown>({
  "wider windows": (harness) => harness.send(windowUpdate(1, 1000), windowUpdate(3, 500)),
  RST_STREAM: (harness) => harness.send(rstStream(1), rstStream(3)),
  "the end of the connection": (harness) => harness.connection.abort("the peer has disconnected"),
  "a reset by the handler": (harness) => harness.exchanges.map((exchange) => exchange.reset()),
})) {
  test(`queued bytes are counted, and released by ${name}`, () => {
    const harness = closedWindows((exchange) => {
      exchange.start(OK);
      exchange.write(Buffer.alloc(Number(exchange.request.path.slice(1))));
    }, {});
    harness.send(get(1, 1000), get(3, 500));
    assert.equal(harness.server.queued.bytes, 1500);
    end(harness);
    assert.equal(harness.server.queued.bytes, 0);
  });
}

test("bytes that the socket holds are counted too, and released when they are sent or the socket is closed", () => {
  const harness = Harness.settled(sized);
  harness.connection.setUnsentBytes(700);
  assert.equal(harness.server.queued.bytes, 700);
  harness.connection.setUnsentBytes(100);
  assert.equal(harness.server.queued.bytes, 100);
  harness.connection.abort("the connection was lost");
  harness.connection.setUnsentBytes(0);
  assert.equal(harness.server.queued.bytes, 0);
});

for (const limit of ["queuedBytesPerConnection", "queuedBytes"] as const) {
  test(`above ${limit} the largest response is reset, and without the limit none is reset`, () => {
    for (const max of [1000, off]) {
      const harness = closedWindows(sized, { [limit]: max });
      const sent = harness.send(get(1, 300), get(3, 600), get(5, 200));
      const resets = sent.filter((text) => text.startsWith("RstStream"));
      assert.deepEqual(resets, max === off ? [] : ["RstStream 3 ENHANCE_YOUR_CALM"]);
      assert.deepEqual(harness.limits, max === off ? [] : [limit]);
      assert.equal(harness.server.queued.bytes, max === off ? 1100 : 500);
      assert.deepEqual(harness.send(windowUpdate(1, 300)), ["Data 1 300 end"], "the others are sent");
    }
  });
}

test("a response that exceeds the limit by itself is reset, and its handler counts as stopped", () => {
  const harness = closedWindows(sized, { queuedBytesPerConnection: 1000 });
  assert.deepEqual(harness.send(get(1, 1001)), ["Headers 1 200", "RstStream 1 ENHANCE_YOUR_CALM"]);
  assert.deepEqual(
    [harness.server.queued.bytes, harness.server.cancelledHandlers.used, harness.errors.length],
    [0, 0, 0],
  );
});

test("a handler is told of its stream's reset, and what it still writes is discarded", () => {
  let cancelled = 0;
  const harness = closedWindows(
    (exchange) => {
      exchange.onCancelled = () => cancelled++;
      exchange.start(OK);
      for (let i = 0; i < 5; i++) exchange.write(Buffer.alloc(400));
      assert.equal(harness.server.cancelledHandlers.used, 1);
      exchange.end();
    },
    { queuedBytesPerConnection: 1000 },
  );
  harness.send(get(1, 0));
  assert.deepEqual([harness.server.queued.bytes, harness.server.cancelledHandlers.used, cancelled], [0, 0, 1]);
  assert.deepEqual(harness.errors, []);
});

test("above the server's limit, the connection with the most queued bytes loses a response, and not the newest one", () => {
  const greedy = closedWindows(sized, { queuedBytes: 1000 });
  greedy.send(get(1, 900));
  const modest = new Harness(sized, {}, greedy);
  modest.send(HANDSHAKE, settings([SettingId.InitialWindowSize, 0]));
  assert.deepEqual(
    modest.send(get(1, 200)).filter((text) => text.startsWith("RstStream")),
    [],
  );
  assert.deepEqual(greedy.sent(), ["RstStream 1 ENHANCE_YOUR_CALM"]);
  assert.equal(greedy.server.queued.bytes, 200);
});

test("a connection is destroyed if only its socket holds too many bytes", () => {
  const harness = Harness.settled(sized, { queuedBytes: 1000 });
  harness.connection.setUnsentBytes(1001);
  assert.deepEqual(
    [harness.connection.isClosed, harness.connection.isDestroyed, harness.server.queued.bytes],
    [true, true, 0],
  );
  harness.connection.setUnsentBytes(1001);
  assert.equal(harness.server.queued.bytes, 0, "a destroyed connection is not counted");
});
