/** Graceful close: GOAWAY, PING, GOAWAY, so that no call is lost (RFC 9113, 6.8). */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { EMPTY_BYTES, type Exchange } from "../../src/server/http/exchange.ts";
import { Flag } from "../../src/server/http2/frames/types.ts";
import { GET, HANDSHAKE, headers, ping, rstStream } from "./support/frames.ts";
import { echo, Harness, OK } from "./support/harness.ts";
import { call, connect, pause, RawClient, responseOf, startServer } from "./support/server.ts";

/** The acknowledgement of the PING that follows the first GOAWAY. */
const PING_ACK = ping("farewell", Flag.Ack);

test("GOAWAY for all streams and PING are sent first, and after the acknowledgement GOAWAY for the last stream", () => {
  const harness = Harness.settled(() => {});
  harness.send(headers(1, GET));
  harness.connection.drain("bye");
  assert.deepEqual(harness.sent(), ["Goaway 2147483647 NO_ERROR: bye", "Ping"]);
  assert.deepEqual(harness.send(headers(3, GET)), [], "a stream that was in flight is served");
  assert.deepEqual(harness.send(PING_ACK), ["Goaway 3 NO_ERROR: bye"]);
  assert.deepEqual(harness.send(headers(5, GET)), ["RstStream 5 REFUSED_STREAM"]);
  harness.exchanges[0]?.respond(OK, EMPTY_BYTES);
  assert.equal(harness.connection.isClosed, false);
  harness.exchanges[1]?.respond(OK, EMPTY_BYTES);
  assert.deepEqual(harness.sent(), ["Headers 1 200 end", "Headers 3 200 end"]);
  assert.ok(harness.connection.isClosed);
});

test("the acknowledgement of PING is waited for even without open streams", () => {
  const harness = Harness.settled();
  harness.send(headers(1, GET));
  harness.connection.drain("bye");
  assert.equal(harness.connection.isClosed, false);
  harness.send(ping("other123", Flag.Ack));
  assert.equal(harness.connection.isClosed, false);
  harness.send(PING_ACK);
  assert.ok(harness.connection.isClosed);
});

test("a client that does not acknowledge PING is waited for no longer than gracefulCloseMs", () => {
  const harness = Harness.settled(() => {}, { gracefulCloseMs: 100 });
  harness.send(headers(1, GET));
  harness.connection.drain("bye");
  harness.sent();
  assert.deepEqual(harness.advance(100), []);
  assert.deepEqual(harness.advance(1), ["Goaway 1 NO_ERROR: bye"]);
  harness.send(rstStream(1));
  assert.ok(harness.connection.isClosed);
});

for (const { name, before, after } of [
  { name: "sent its preface", before: [], after: [HANDSHAKE, headers(1, GET)] },
  { name: "opened a stream", before: [HANDSHAKE], after: [headers(1, GET)] },
]) {
  test(`a client that has not ${name} yet gets its first response, and then GOAWAY`, () => {
    const harness = new Harness();
    harness.send(...before);
    harness.connection.drain("bye");
    assert.ok(!harness.sent().some((text) => text.startsWith("Goaway")));
    const sent = harness.send(...after);
    assert.deepEqual(sent.slice(-3), ["Headers 1 200 end", "Goaway 2147483647 NO_ERROR: bye", "Ping"]);
    assert.deepEqual(harness.send(PING_ACK), ["Goaway 1 NO_ERROR: bye"]);
    assert.ok(harness.connection.isClosed);
  });
}

test("a client that opens no stream within a second gets GOAWAY", () => {
  const harness = Harness.settled();
  harness.connection.drain("bye");
  assert.deepEqual(harness.advance(1_000), []);
  assert.deepEqual(harness.advance(1), ["Goaway 2147483647 NO_ERROR: bye", "Ping"]);
  assert.deepEqual(harness.send(PING_ACK), ["Goaway 0 NO_ERROR: bye"]);
  assert.ok(harness.connection.isClosed);
});

test("a second drain sends nothing", () => {
  const harness = Harness.settled();
  harness.send(headers(1, GET));
  harness.connection.drain("bye");
  harness.connection.drain("bye");
  assert.equal(harness.sent().length, 2);
});

test("a server that drains loses no call of a client that makes calls all the time", async (t) => {
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
    // A call that the client does not send after GOAWAY is not lost.
    caller().catch((error) => assert.match(`${error.code} ${error.message}`, /GOAWAY_SESSION|REFUSED_STREAM/)),
  );
  while (served <= 20) await pause(5);
  await server.http2.drain();
  await Promise.all(callers);
  assert.equal(served, begun);
  assert.equal(server.sockets.size, 0);
});

test("drain waits for a call in flight, until destroy cancels it", async (t) => {
  const cancelled = Promise.withResolvers<void>();
  const exchanges: Exchange[] = [];
  const server = await startServer(t, (exchange) => {
    exchanges.push(exchange);
    exchange.onCancelled = () => cancelled.resolve();
  });
  const session = connect(t, server);
  const response = responseOf(session.request({ ":path": "/" }));
  response.catch(() => {});
  while (exchanges.length === 0) await pause(2);
  let drained = false;
  const draining = server.http2.drain().then(() => {
    drained = true;
  });
  await pause(50);
  assert.equal(drained, false);
  server.http2.destroy();
  await draining;
  await cancelled.promise;
});

test("a connection that is accepted while the server drains gets GOAWAY and is closed", async (t) => {
  const server = await startServer(t);
  await server.http2.drain();
  const late = await RawClient.connect(t, server);
  await late.closed;
  assert.match(late.received.at(-1) ?? "", /^Goaway 0 NO_ERROR: the server is draining$/);
});

test("a server without connections is drained immediately, and has no timer", async (t) => {
  const server = await startServer(t);
  const session = connect(t, server);
  await call(session);
  session.close();
  await once(session, "close");
  await server.http2.drain();
  assert.ok(!process.getActiveResourcesInfo().includes("Timeout"));
});
