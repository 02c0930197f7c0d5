/** Tests the maximum age of connections, and the grace for their calls, over both HTTP versions. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, createClient, type ServiceImpl } from "@connectrpc/connect";
import { ConnectionAge } from "../../src/server/limits/connection-age.ts";
import { DEFAULT_LIMITS, type Limits } from "../../src/server/limits/limits.ts";
import { retryRefused } from "../../src/server/retry-refused.ts";
import { peerKey } from "../../src/server/rpc/context-values.ts";
import { GET, headers, ping } from "../http2/support/frames.ts";
import { Harness } from "../http2/support/harness.ts";
import { CELLS, callIn } from "../support/cells.ts";
import { Echo, echoRoutes } from "../support/protos.ts";
import { connectTo } from "../support/raw.ts";
import { startServer } from "../support/server.ts";
import { TRANSPORTS } from "../support/transports.ts";

const AGE_MS = 1_000;
const GRACE_MS = 400;
const REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const PATH = "/fixture.Echo/Say";

function age(limits: Partial<Limits>): ConnectionAge {
  return new ConnectionAge({ ...DEFAULT_LIMITS, ...limits }, 0);
}

/** Returns the first ms at which the graceful close is due. */
function closeMs(limits: Partial<Limits>): number {
  const connection = age(limits);
  for (let now = 0; now < 2 * AGE_MS; now++) if (connection.check(now, false) === "close") return now;
  return Number.POSITIVE_INFINITY;
}

test("connections close at the maximum age, plus or minus a tenth, and not at the same time", () => {
  const times = Array.from({ length: 500 }, () => closeMs({ maxConnectionAgeMs: AGE_MS }));
  const [first, last] = [Math.min(...times), Math.max(...times)];
  assert.ok(first >= 0.9 * AGE_MS && last <= 1.1 * AGE_MS + 1, `${first} to ${last}`);
  assert.ok(first < 0.95 * AGE_MS && last > 1.05 * AGE_MS, `${first} to ${last}`);
});

test("connections have no maximum age by default", () => {
  assert.equal(closeMs({}), Number.POSITIVE_INFINITY);
});

test("calls end when they were in flight for the grace after the maximum age, and a second later the connection is cut", () => {
  const connection = age({ maxConnectionAgeMs: AGE_MS, maxConnectionAgeGraceMs: GRACE_MS });
  assert.equal(connection.check(2_000, true), "close");
  assert.equal(connection.check(2_000 + GRACE_MS, true), undefined);
  assert.equal(connection.check(2_001 + GRACE_MS, false), undefined, "the calls have ended");
  const next = 2_001 + GRACE_MS;
  assert.equal(connection.check(next + GRACE_MS, true), undefined, "another call has begun");
  assert.equal(connection.check(next + GRACE_MS + 1, true), "end-exchanges");
  assert.equal(connection.check(next + GRACE_MS + 1_000, true), undefined);
  assert.equal(connection.check(next + GRACE_MS + 1_001, true), "cut");
  const patient = age({ maxConnectionAgeMs: AGE_MS });
  assert.equal(patient.check(2_000, true), "close");
  assert.equal(patient.check(2 ** 40, true), undefined);
});

test("over HTTP/2 the maximum age sends GOAWAY max_age and PING, and after the grace the calls that are left end", () => {
  const limits = { maxConnectionAgeMs: 10_000, maxConnectionAgeGraceMs: 5_000 };
  const harness = Harness.settled(() => {}, limits);
  harness.send(headers(1, GET));
  assert.deepEqual(harness.advance(9_000), []);
  assert.deepEqual(harness.advance(2_001), ["Goaway 2147483647 NO_ERROR: max_age", "Ping"]);
  harness.send(headers(3, GET)); // was on its way
  assert.deepEqual(harness.send(ping("farewell", 1)), ["Goaway 3 NO_ERROR: max_age"]);
  assert.deepEqual(harness.advance(5_000), []);
  assert.deepEqual([harness.limits, harness.endedPeers], [[], []]);
  harness.advance(1);
  assert.deepEqual([harness.limits, harness.endedPeers], [["maxConnectionAgeGraceMs"], [harness.connection.peer]]);
  const end = "Goaway 3 NO_ERROR: calls took over 5000 ms after the maximum age of their connection";
  assert.deepEqual(harness.advance(1_000), [end]);
  assert.ok(harness.connection.isClosed);
  assert.deepEqual(harness.limits, ["maxConnectionAgeGraceMs"]);

  const kept = Harness.settled(() => {}, { idleMs: Infinity, keepaliveMs: Infinity });
  kept.send(headers(1, GET));
  assert.deepEqual(kept.advance(2 ** 31), []);
});

test("over HTTP/2 a connection is not closed for its age before its client has opened a stream", () => {
  const harness = Harness.settled(undefined, { maxConnectionAgeMs: 100 });
  assert.deepEqual(harness.advance(500), []);
  assert.deepEqual(harness.send(headers(1, GET)).slice(-2), ["Goaway 2147483647 NO_ERROR: max_age", "Ping"]);
});

for (const http2 of ["built-in", "node"] as const) {
  test(`a client of node:http2 is told max_age, and its call succeeds, with http2 ${http2}`, async (t) => {
    const { url, log } = await startServer(t, {
      http2,
      limits: { maxConnectionAgeMs: AGE_MS },
      routes: echoRoutes({
        async say(request) {
          await sleep(2 * AGE_MS);
          return request;
        },
      }),
    });
    const session = connect(url);
    t.after(() => session.destroy());
    const goaway = once(session, "goaway");
    const post = { ":method": "POST", ":path": PATH, "content-type": "application/json" };
    const stream = session.request(post).end('"yes"').setEncoding("utf8");
    const [code, , opaque] = await goaway;
    assert.equal(code, 0);
    assert.equal(String(opaque), "max_age");
    assert.deepEqual(await stream.toArray(), ['"yes"']);
    await once(session, "close");
    assert.deepEqual(log, []);
  });
}

for (const { maxConnectionAgeMs, closes } of [
  { maxConnectionAgeMs: AGE_MS, closes: true },
  { maxConnectionAgeMs: Infinity, closes: false },
]) {
  test(`over HTTP/1.1 the connection ${closes ? "closes" : "stays open"} after the next response at the maximum age ${maxConnectionAgeMs}`, async (t) => {
    const { authority } = await startServer(t, { limits: { maxConnectionAgeMs } });
    const socket = await connectTo(authority);
    t.after(() => socket.destroy());
    socket.setEncoding("utf8");
    const ask = async (): Promise<string> => {
      socket.write(REQUEST);
      return String((await once(socket, "data"))[0]);
    };
    assert.doesNotMatch(await ask(), /\r\nConnection: close\r\n/);
    await sleep(1.5 * AGE_MS);
    assert.equal(socket.readableEnded, false, "an idle connection is not closed: a request may be on its way");
    const end = once(socket, "end");
    assert.equal(/\r\nConnection: close\r\n/.test(await ask()), closes);
    if (closes) await end;
    else assert.doesNotMatch(await ask(), /\r\nConnection: close\r\n/);
  });
}

/** Calls a handler that ends after `handlerMs` in all cells, over connections with a maximum age. */
async function callSlowly(t: TestContext, fastPath: boolean, maxConnectionAgeGraceMs: number, handlerMs: number) {
  const observed: (Code | undefined)[] = [];
  const { authority, limits } = await startServer(t, {
    fastPath,
    observer: { end: (_, code) => void observed.push(code) },
    limits: { maxConnectionAgeMs: 100, maxConnectionAgeGraceMs },
    routes: echoRoutes({ say: (request) => sleep(handlerMs, request, { ref: false }) }),
  });
  const outcomes = await Promise.all(
    CELLS.map(async (cell) => {
      const message = Buffer.from(cell.codec === "json" ? '"hi"' : "\x0a\x02hi");
      const { code, message: text } = await callIn(cell, authority, { path: PATH, message });
      return [cell.name, code, text];
    }),
  );
  return { outcomes, limits, observed };
}

for (const fastPath of [true, false]) {
  const how = fastPath ? "with" : "without";
  test(`a call beyond the grace ends as unavailable in each protocol, ${how} the fast path`, async (t) => {
    const { outcomes, limits, observed } = await callSlowly(t, fastPath, 100, 60_000);
    const text = "the connection has reached its maximum age";
    assert.deepEqual(
      outcomes,
      CELLS.map(({ name }) => [name, "unavailable", text]),
    );
    assert.deepEqual(
      observed,
      CELLS.map(() => Code.Unavailable),
    );
    assert.match(limits[0] ?? "", /^limit maxConnectionAgeGraceMs: calls took over 100 ms after the maximum age/);
  });

  test(`a call beyond the maximum age succeeds in each protocol without a limit on the grace, ${how} the fast path`, async (t) => {
    const { outcomes, limits, observed } = await callSlowly(t, fastPath, Infinity, 600);
    assert.deepEqual(
      outcomes,
      CELLS.map(({ name }) => [name, "ok", ""]),
    );
    assert.deepEqual(limits, []);
    assert.deepEqual(
      observed,
      CELLS.map(() => undefined),
    );
  });
}

for (const { maxConnectionAgeGraceMs, isCut } of [
  { maxConnectionAgeGraceMs: 100, isCut: true },
  { maxConnectionAgeGraceMs: Infinity, isCut: false },
]) {
  test(`streams are ${isCut ? "ended as unavailable" : "continued"} at the grace ${maxConnectionAgeGraceMs}`, async (t) => {
    const outcomes = await Promise.all(
      TRANSPORTS.map(async ({ name, create, tls }) => {
        const { url } = await startServer(t, {
          tls,
          limits: { maxConnectionAgeMs: 100, maxConnectionAgeGraceMs },
          routes: echoRoutes({
            async *repeat(request, { signal }) {
              yield request;
              await sleep(1_000, undefined, { signal });
              yield request;
            },
          }),
        });
        let received = 0;
        try {
          for await (const _ of createClient(Echo, create(url)).repeat({ value: "x" })) received++;
        } catch (error) {
          return `${name}: ${received}, ${(error as Error).message}`;
        }
        return `${name}: ${received}`;
      }),
    );
    const expected = isCut ? "1, [unavailable] the connection has reached its maximum age" : "2";
    assert.deepEqual(
      outcomes,
      TRANSPORTS.map(({ name }) => `${name}: ${expected}`),
    );
  });

  test(`a connection whose client does not send its whole request is ${isCut ? "cut" : "kept"} at the grace ${maxConnectionAgeGraceMs}`, async (t) => {
    const { authority } = await startServer(t, { limits: { maxConnectionAgeMs: 100, maxConnectionAgeGraceMs } });
    const socket = await connectTo(authority);
    socket
      .on("error", () => {})
      .write(
        "POST /calls.v1.CallService/Add HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
      );
    const closed = once(socket.resume(), "close").then(() => true);
    const wasCut = await Promise.race([closed, sleep(2_500, false)]);
    socket.destroy();
    assert.equal(wasCut, isCut);
  });
}

test("short calls of a client that pipelines without a pause are not cut at the grace", async (t) => {
  const { authority, limits } = await startServer(t, {
    limits: { maxConnectionAgeMs: 100, maxConnectionAgeGraceMs: 2_000 },
    routes: echoRoutes({ say: (request) => sleep(500, request) }),
  });
  // The server closes the connection when no request is in flight, which is so if a busy machine lets the client pause.
  for (let tries = 1; !(await pipelinesFor(authority, 3_500)); tries++) assert.ok(tries < 10);
  assert.deepEqual(limits, []);
});

/** Writes requests until `ms` have passed or the server closes. Returns true if the server has not closed before. */
async function pipelinesFor(authority: string, ms: number): Promise<boolean> {
  const socket = await connectTo(authority);
  let received = "";
  socket.setEncoding("latin1").on("data", (text) => {
    received += text;
  });
  const head =
    "POST /fixture.Echo/Say HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n";
  const end = performance.now() + ms;
  while (performance.now() < end && socket.writable) {
    socket.write(`${head}"x"`);
    await sleep(25);
  }
  const isOpen = socket.writable;
  socket.destroy();
  assert.match(received, /^HTTP\/1\.1 200/);
  assert.ok(!received.includes("maximum age"));
  return isOpen;
}

for (const { maxConnectionAgeMs, changes } of [
  { maxConnectionAgeMs: 50, changes: true },
  { maxConnectionAgeMs: Infinity, changes: false },
]) {
  test(`clients that call all the time lose no call, and ${changes ? "change" : "keep"} their connection, at an age of ${maxConnectionAgeMs} ms`, async (t) => {
    await Promise.all(
      TRANSPORTS.map(async ({ name, create, tls, http }) => {
        const ports = new Set<number | undefined>();
        const say: ServiceImpl<typeof Echo>["say"] = (request, { values }) => {
          ports.add(values.get(peerKey)?.port);
          return request;
        };
        const { url } = await startServer(t, { tls, limits: { maxConnectionAgeMs }, routes: echoRoutes({ say }) });
        // Over HTTP/2, Node's client drops requests that it has not sent when it reads GOAWAY.
        const interceptors = http === "2" ? [retryRefused] : [];
        const client = createClient(Echo, create(url, { interceptors }));
        const start = performance.now();
        const mustGoOn = (ms: number): boolean => ms < 1_000 || (changes && ports.size <= 3 && ms < 20_000);
        while (mustGoOn(performance.now() - start)) assert.equal((await client.say({ value: "x" })).value, "x");
        assert.equal(ports.size > 3, changes, `${name}: ${ports.size} connections`);
      }),
    );
  });
}
