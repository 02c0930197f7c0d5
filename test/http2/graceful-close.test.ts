/** How a server takes leave of its clients without losing a call (RFC 9113, 6.8). */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import type { Exchange } from "../../src/server/http/exchange.ts";
import { Flag } from "../../src/server/http2/frames/types.ts";
import { Bench, echo, OK } from "./support/bench.ts";
import { answerOf, call, connect, pause, RawClient, startServer } from "./support/server.ts";
import { GET, HELLO, headers, ping, rstStream } from "./support/wire.ts";

const FAREWELL = ping("farewell", Flag.Ack);
const NOTHING = new Uint8Array(0);

test("it says GOAWAY for all streams and PING, and on its answer GOAWAY for the last, and closes after it", () => {
  const bench = Bench.settled(() => {});
  bench.send(headers(1, GET));
  bench.connection.drain("bye");
  assert.deepEqual(bench.words(), ["Goaway 2147483647 NO_ERROR: bye", "Ping"]);
  assert.deepEqual(bench.send(headers(3, GET)), [], "a stream that was on its way is served");
  assert.deepEqual(bench.send(FAREWELL), ["Goaway 3 NO_ERROR: bye"]);
  assert.deepEqual(bench.send(headers(5, GET)), ["RstStream 5 REFUSED_STREAM"]);
  bench.exchanges[0]?.respond(OK, NOTHING);
  assert.equal(bench.connection.isClosed, false);
  bench.exchanges[1]?.respond(OK, NOTHING);
  assert.deepEqual(bench.words(), ["Headers 1 200 end", "Headers 3 200 end"]);
  assert.ok(bench.connection.isClosed);
});

test("it waits for the answer to its PING even where no stream is open", () => {
  const bench = Bench.settled();
  bench.send(headers(1, GET));
  bench.connection.drain("bye");
  assert.equal(bench.connection.isClosed, false);
  bench.send(ping("other123", Flag.Ack));
  assert.equal(bench.connection.isClosed, false);
  bench.send(FAREWELL);
  assert.ok(bench.connection.isClosed);
});

test("a client that does not answer the PING is not waited for longer than gracefulCloseMs", () => {
  const bench = Bench.settled(() => {}, { gracefulCloseMs: 100 });
  bench.send(headers(1, GET));
  bench.connection.drain("bye");
  bench.words();
  assert.deepEqual(bench.pass(100), []);
  assert.deepEqual(bench.pass(1), ["Goaway 1 NO_ERROR: bye"]);
  bench.send(rstStream(1));
  assert.ok(bench.connection.isClosed);
});

for (const { name, before, after } of [
  { name: "said anything", before: [], after: [HELLO, headers(1, GET)] },
  { name: "begun a stream", before: [HELLO], after: [headers(1, GET)] },
]) {
  test(`a client that has not ${name} yet is served its first stream, and hears GOAWAY behind that`, () => {
    const bench = new Bench();
    bench.send(...before);
    bench.connection.drain("bye");
    assert.ok(!bench.words().some((word) => word.startsWith("Goaway")));
    const words = bench.send(...after);
    assert.deepEqual(words.slice(-3), ["Headers 1 200 end", "Goaway 2147483647 NO_ERROR: bye", "Ping"]);
    assert.deepEqual(bench.send(FAREWELL), ["Goaway 1 NO_ERROR: bye"]);
    assert.ok(bench.connection.isClosed);
  });
}

test("a client that begins no stream within a second hears GOAWAY", () => {
  const bench = Bench.settled();
  bench.connection.drain("bye");
  assert.deepEqual(bench.pass(1_000), []);
  assert.deepEqual(bench.pass(1), ["Goaway 2147483647 NO_ERROR: bye", "Ping"]);
  assert.deepEqual(bench.send(FAREWELL), ["Goaway 0 NO_ERROR: bye"]);
  assert.ok(bench.connection.isClosed);
});

test("to drain twice is to drain once", () => {
  const bench = Bench.settled();
  bench.send(headers(1, GET));
  bench.connection.drain("bye");
  bench.connection.drain("bye");
  assert.equal(bench.words().length, 2);
});

test("a server that drains loses no call of a client that calls all the time", async (t) => {
  let begun = 0;
  const server = await startServer(t, (exchange) => {
    begun++;
    setTimeout(echo, 5, exchange);
  });
  const session = connect(t, server);
  let served = 0;
  const caller = async () => {
    while (!session.closed) {
      const { body } = await call(session, "hello");
      assert.equal(body.toString(), "hello");
      served++;
    }
  };
  const callers = Array.from({ length: 20 }, () =>
    // What the client itself does not send any more, since it has read GOAWAY, is no call that was lost.
    caller().catch((error) => assert.match(`${error.code} ${error.message}`, /GOAWAY_SESSION|REFUSED_STREAM/)),
  );
  while (served <= 20) await pause(5);
  await server.http2.drain();
  await Promise.all(callers);
  assert.equal(served, begun);
  assert.equal(server.sockets.size, 0);
});

test("drain waits for a call that is under way, and the caller's deadline cuts it", async (t) => {
  const abandoned = Promise.withResolvers<void>();
  const exchanges: Exchange[] = [];
  const server = await startServer(t, (exchange) => {
    exchanges.push(exchange);
    exchange.onCancelled = abandoned.resolve;
  });
  const session = connect(t, server);
  const answer = answerOf(session.request({ ":path": "/" }));
  answer.catch(() => {});
  while (exchanges.length === 0) await pause(2);
  let drained = false;
  const draining = server.http2.drain().then(() => {
    drained = true;
  });
  await pause(50);
  assert.equal(drained, false);
  server.http2.destroy();
  await draining;
  await abandoned.promise;
});

test("a connection that comes while the server drains is told so, and closed", async (t) => {
  const server = await startServer(t);
  await server.http2.drain();
  const late = await RawClient.connect(t, server);
  await late.closed;
  assert.match(late.words.at(-1) ?? "", /^Goaway 0 NO_ERROR: the server is draining$/);
});

test("a server without connections is drained at once, and looks at no clock", async (t) => {
  const server = await startServer(t);
  const session = connect(t, server);
  await call(session);
  session.close();
  await once(session, "close");
  await server.http2.drain();
  assert.ok(!process.getActiveResourcesInfo().includes("Timeout"));
});
