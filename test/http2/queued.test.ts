/** Response bytes that wait for a peer: what is counted, what is dropped above the limits, and that all of it is given back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Exchange } from "../../src/server/http/exchange.ts";
import { SettingId } from "../../src/server/http2/frames/types.ts";
import type { Limits } from "../../src/server/limits/limits.ts";
import { Bench, OK } from "./support/bench.ts";
import { GET, HELLO, headers, rstStream, settings, windowUpdate } from "./support/wire.ts";

const off = Number.POSITIVE_INFINITY;

/** Responds with as many bytes as the path says. */
function sized(exchange: Exchange): void {
  exchange.respond(OK, Buffer.alloc(Number(exchange.request.path.slice(1))));
}

function get(id: number, bytes: number): Buffer {
  return headers(id, [...GET.filter(([name]) => name !== ":path"), [":path", `/${bytes}`]]);
}

/** A connection whose peer lets no byte of a response through. */
function closedWindows(handler: (exchange: Exchange) => void, limits: Partial<Limits>): Bench {
  const bench = Bench.settled(handler, limits);
  bench.send(settings([SettingId.InitialWindowSize, 0]));
  return bench;
}

for (const [name, end] of Object.entries<(bench: Bench) => unknown>({
  "the windows opening": (bench) => bench.send(windowUpdate(1, 1000), windowUpdate(3, 500)),
  RST_STREAM: (bench) => bench.send(rstStream(1), rstStream(3)),
  "the connection's end": (bench) => bench.connection.abort("the peer is gone"),
  "the handler's reset": (bench) => bench.exchanges.map((exchange) => exchange.reset()),
})) {
  test(`what waits is counted, and given back by ${name}`, () => {
    const bench = closedWindows((exchange) => {
      exchange.start(OK);
      exchange.write(Buffer.alloc(Number(exchange.request.path.slice(1))));
    }, {});
    bench.send(get(1, 1000), get(3, 500));
    assert.equal(bench.server.queued.bytes, 1500);
    end(bench);
    assert.equal(bench.server.queued.bytes, 0);
  });
}

test("what the socket holds is counted too, and given back when it is taken or gone", () => {
  const bench = Bench.settled(sized);
  bench.connection.setUnsentBytes(700);
  assert.equal(bench.server.queued.bytes, 700);
  bench.connection.setUnsentBytes(100);
  assert.equal(bench.server.queued.bytes, 100);
  bench.connection.abort("the connection was lost");
  bench.connection.setUnsentBytes(0);
  assert.equal(bench.server.queued.bytes, 0);
});

for (const limit of ["queuedBytesPerConnection", "queuedBytes"] as const) {
  test(`over ${limit} the largest response is reset; without it none is`, () => {
    for (const most of [1000, off]) {
      const bench = closedWindows(sized, { [limit]: most });
      const words = bench.send(get(1, 300), get(3, 600), get(5, 200));
      const resets = words.filter((word) => word.startsWith("RstStream"));
      assert.deepEqual(resets, most === off ? [] : ["RstStream 3 ENHANCE_YOUR_CALM"]);
      assert.deepEqual(bench.limits, most === off ? [] : [limit]);
      assert.equal(bench.server.queued.bytes, most === off ? 1100 : 500);
      assert.deepEqual(bench.send(windowUpdate(1, 300)), ["Data 1 300 end"], "the others are sent");
    }
  });
}

test("a response that is over the limit by itself is reset, and its handler counts as ended", () => {
  const bench = closedWindows(sized, { queuedBytesPerConnection: 1000 });
  assert.deepEqual(bench.send(get(1, 1001)), ["Headers 1 200", "RstStream 1 ENHANCE_YOUR_CALM"]);
  assert.deepEqual([bench.server.queued.bytes, bench.server.cancelledHandlers.used, bench.errors.length], [0, 0, 0]);
});

test("a stream that writes on after its reset goes nowhere, and its handler is told", () => {
  let abandoned = 0;
  const bench = closedWindows(
    (exchange) => {
      exchange.onCancelled = () => abandoned++;
      exchange.start(OK);
      for (let i = 0; i < 5; i++) exchange.write(Buffer.alloc(400));
      assert.equal(bench.server.cancelledHandlers.used, 1);
      exchange.end();
    },
    { queuedBytesPerConnection: 1000 },
  );
  bench.send(get(1, 0));
  assert.deepEqual([bench.server.queued.bytes, bench.server.cancelledHandlers.used, abandoned], [0, 0, 1]);
  assert.deepEqual(bench.errors, []);
});

test("over the server's limit it is the connection with most that loses a response, not the one that asks", () => {
  const greedy = closedWindows(sized, { queuedBytes: 1000 });
  greedy.send(get(1, 900));
  const modest = new Bench(sized, {}, greedy);
  modest.send(HELLO, settings([SettingId.InitialWindowSize, 0]));
  assert.deepEqual(
    modest.send(get(1, 200)).filter((word) => word.startsWith("RstStream")),
    [],
  );
  assert.deepEqual(greedy.words(), ["RstStream 1 ENHANCE_YOUR_CALM"]);
  assert.equal(greedy.server.queued.bytes, 200);
});

test("a connection that holds bytes in its socket alone is ended with them", () => {
  const bench = Bench.settled(sized, { queuedBytes: 1000 });
  bench.connection.setUnsentBytes(1001);
  assert.deepEqual(
    [bench.connection.isClosed, bench.connection.isDestroyed, bench.server.queued.bytes],
    [true, true, 0],
  );
  bench.connection.setUnsentBytes(1001);
  assert.equal(bench.server.queued.bytes, 0, "what happens to it afterwards counts no more");
});
