/** Tests the health service (grpc.health.v1) with clients of every protocol. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "../../gen/health/v1/health_pb.ts";
import { turns } from "../support/raw.ts";
import { startServer } from "../support/server.ts";
import { TRANSPORTS } from "../support/transports.ts";

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = ServingStatus;

const MOUNTED = [
  "",
  "calls.v1.CallService",
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
];

for (const { name, tls, create } of TRANSPORTS) {
  async function start(t: TestContext) {
    const abort = new AbortController();
    t.after(() => abort.abort()); // before `close`, which waits until watchers have read to the end
    const { server, url } = await startServer(t, { tls });
    const client = createClient(Health, create(url));

    /** Watches until the end of the test. Returns a function that waits for the next status. */
    function watch(service: string): () => Promise<ServingStatus | undefined> {
      const messages = client.watch({ service }, { signal: abort.signal })[Symbol.asyncIterator]();
      return async () => (await messages.next()).value?.status;
    }
    return { server, client, watch, abort };
  }

  test(`Check reports that the server and every registered service are serving, by ${name}`, async (t) => {
    const { client } = await start(t);
    for (const service of MOUNTED) assert.equal((await client.check({ service })).status, SERVING, service);
  });

  test(`Check reports the status that was set, by ${name}`, async (t) => {
    const { client, server } = await start(t);
    server.health.set("calls.v1.CallService", "not-serving");
    server.health.set("mine", "serving");
    assert.equal((await client.check({ service: "calls.v1.CallService" })).status, NOT_SERVING);
    assert.equal((await client.check({ service: "mine" })).status, SERVING);
  });

  test(`Check of a service that is unknown is not_found, by ${name}`, async (t) => {
    const { client } = await start(t);
    for (const service of ["no.Such", "calls.v1", "calls.v1.CallService/Add"]) {
      await assert.rejects(client.check({ service }), {
        code: Code.NotFound,
        rawMessage: `check health of "${service}": no such service`,
      });
    }
  });

  test(`Watch sends the status immediately and then each change once, by ${name}`, async (t) => {
    const { server, watch } = await start(t);
    const take = watch("calls.v1.CallService");
    assert.equal(await take(), SERVING);
    for (const [status, expected] of [
      ["not-serving", NOT_SERVING],
      ["serving", SERVING],
      ["not-serving", NOT_SERVING],
    ] as const) {
      server.health.set("calls.v1.CallService", "serving");
      server.health.set("", "not-serving");
      server.health.set("calls.v1.CallService", status);
      server.health.set("calls.v1.CallService", status);
      assert.equal(await take(), expected);
      server.health.set("", "serving");
    }
  });

  test(`Watch sends only the newest status if changes are faster than the client reads, by ${name}`, async (t) => {
    const { server, watch } = await start(t);
    const take = watch("calls.v1.CallService");
    assert.equal(await take(), SERVING);
    for (const status of ["not-serving", "serving", "not-serving"] as const)
      server.health.set("calls.v1.CallService", status);
    assert.equal(await take(), NOT_SERVING);
    // Two changes that cancel out are not reported.
    for (const status of ["serving", "not-serving"] as const) server.health.set("calls.v1.CallService", status);
    const next = take();
    await turns();
    server.health.set("calls.v1.CallService", "serving");
    assert.equal(await next, SERVING);
  });

  test(`Watch of an unknown service reports that, stays open, and reports the service when it is added, by ${name}`, async (t) => {
    const { client, server, watch } = await start(t);
    const take = watch("mine");
    assert.equal(await take(), SERVICE_UNKNOWN);
    const next = take();
    await client.check({}); // a round trip, during which a stream that does not stay would end
    server.health.set("mine", "serving");
    assert.equal(await next, SERVING);
  });

  test(`Watch ends when the client cancels, by ${name}`, async (t) => {
    const { server, watch, abort } = await start(t);
    const stopped = Promise.withResolvers<void>();
    const { health } = server;
    const original = health.watch.bind(health);
    t.mock.method(health, "watch", (...args: Parameters<typeof original>) => {
      const stop = original(...args);
      return () => {
        stop();
        stopped.resolve();
      };
    });
    const take = watch("calls.v1.CallService");
    assert.equal(await take(), SERVING);
    const next = take();
    abort.abort();
    await assert.rejects(next, { code: Code.Canceled });
    await stopped.promise;
  });

  test(`Watch sends NOT_SERVING and then unavailable when the server closes, by ${name}`, async (t) => {
    const { server, watch } = await start(t);
    const takeKnown = watch("calls.v1.CallService");
    const takeUnknown = watch("mine");
    assert.deepEqual([await takeKnown(), await takeUnknown()], [SERVING, SERVICE_UNKNOWN]);
    const closed = server.close({ graceMs: 60_000 });
    assert.equal(await takeKnown(), NOT_SERVING);
    // Watches end at once: they never do by themselves, so that the shutdown would take all of its time.
    for (const take of [takeKnown, takeUnknown]) await assert.rejects(take(), { code: Code.Unavailable });
    await closed;
  });

  test(`Check works after a shutdown, and a status that is set then is ignored, by ${name}`, async (t) => {
    const { client, server } = await start(t);
    server.health.shutDown();
    for (const service of MOUNTED) {
      server.health.set(service, "serving");
      assert.equal((await client.check({ service })).status, NOT_SERVING, service);
    }
  });

  test(`List returns every service with its status, by ${name}`, async (t) => {
    const { client, server } = await start(t);
    server.health.set("calls.v1.CallService", "not-serving");
    const { statuses } = await client.list({});
    const expected = MOUNTED.map((service) => [service, service === "calls.v1.CallService" ? NOT_SERVING : SERVING]);
    assert.deepEqual(
      Object.entries(statuses)
        .map(([service, { status }]) => [service, status])
        .sort(),
      expected,
    );
  });

  test(`List returns up to a hundred services, and is resource_exhausted for more, by ${name}`, async (t) => {
    const { client, server } = await start(t);
    for (let i = MOUNTED.length; i < 100; i++) server.health.set(`service-${i}`, "serving");
    assert.equal(Object.keys((await client.list({})).statuses).length, 100);
    server.health.set("one-more", "serving");
    await assert.rejects(client.list({}), {
      code: Code.ResourceExhausted,
      rawMessage: "list health of 101 services: at most 100",
    });
  });
}
