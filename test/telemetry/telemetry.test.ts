/** Tests that the parts of telemetry and the observer of the program work together, and follow the life of a server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { readConfig } from "../../src/program/config.ts";
import type { LogRecord } from "../../src/server/log/record.ts";
import type { CallScope, ObservedCall, Observer } from "../../src/server/rpc/observer.ts";
import { combineObservers, createTelemetry } from "../../src/telemetry/telemetry.ts";
import { send } from "../support/http.ts";
import { freePort } from "../support/prometheus.ts";
import { startServer } from "../support/server.ts";

const failLog = ({ message }: LogRecord): never => assert.fail(message);

test("/readyz follows the start and the health of the server, and the program's own observer sees the calls", async (t) => {
  const port = await freePort();
  const ended: string[] = [];
  const own: Observer = {
    end: ({ path }, code) => void ended.push(`${path} ${code === undefined ? "OK" : Code[code]}`),
  };
  const config = readConfig(["--admin-port", String(port)], {});
  const telemetry = await createTelemetry({ ...config, version: "test 1.2.3" }, own, failLog);
  t.after(() => telemetry.close());
  const { observer = assert.fail() } = telemetry;
  const { server, authority } = await startServer(t, { observer });
  const get = (path: string) => send("HTTP/1.1", `127.0.0.1:${port}`, { method: "GET", path });
  const ready = async () => (await get("/readyz")).status;

  await telemetry.start(server);
  assert.equal(await ready(), 503);
  assert.deepEqual(telemetry.listening(), [`admin port: http://127.0.0.1:${port} serves /metrics, /livez and /readyz`]);
  assert.equal(await ready(), 200);
  server.health.set("", "not-serving");
  assert.equal(await ready(), 503);
  server.health.set("", "serving");
  assert.equal(await ready(), 200);

  const headers = { "content-type": "application/json" };
  await send("HTTP/1.1", authority, { path: "/calls.v1.CallService/Add", headers, body: '{"a":1,"b":2}' });
  assert.deepEqual(ended, ["/calls.v1.CallService/Add OK"]);
  const text = (await get("/metrics")).body.toString();
  const labels = 'rpc_system_name="connectrpc",rpc_method="calls.v1.CallService/Add",rpc_status_code="OK"';
  assert.ok(text.includes(`rpc_server_call_duration_seconds_count{${labels}} 1\n`), text);
  assert.match(text, /^rpc_server_build_info\{version="test 1.2.3",node_version="[\d.]+"\} 1$/m);

  await telemetry.close();
  await assert.rejects(get("/livez"), /ECONNREFUSED/);
});

test("several observers see each call, and the scope of the first one is the outermost", () => {
  const events: string[] = [];
  const observer = (name: string, hasScope: boolean): Observer => ({
    begin() {
      events.push(`${name} begins`);
      if (!hasScope) return undefined;
      return {
        run(run) {
          events.push(`${name} enters`);
          const result = run();
          events.push(`${name} leaves`);
          return result;
        },
      };
    },
    end: () => void events.push(`${name} ends`),
  });
  const combined = combineObservers([observer("a", true), observer("b", false), observer("c", true)], failLog);
  const call = {} as ObservedCall;
  assert.equal(
    combined?.begin?.(call)?.run(() => "result"),
    "result",
  );
  combined?.end(call, undefined);
  const begins = ["a begins", "b begins", "c begins"];
  const scopes = ["a enters", "c enters", "c leaves", "a leaves"];
  assert.deepEqual(events, [...begins, ...scopes, "a ends", "b ends", "c ends"]);
  assert.equal(combineObservers([], failLog), undefined);
});

for (const { name, broken, methods } of [
  {
    name: "throw",
    broken: {
      begin: () => ({ run: () => fail() }),
      end: () => fail(),
    },
    methods: ["end", "run"],
  },
  { name: "throw at the begin", broken: { begin: () => fail(), end: () => {} }, methods: ["begin"] },
  {
    name: "are async and reject",
    broken: { begin: async () => fail(), end: async () => fail() } as unknown as Observer,
    methods: ["begin", "end"],
  },
] satisfies { name: string; broken: Observer; methods: string[] }[])
  test(`methods of one of several observers that ${name} are logged, and the others see the whole call`, async () => {
    const records: LogRecord[] = [];
    const ended: string[] = [];
    const scopes: string[] = [];
    const whole = (name: string): Observer => ({
      begin: (): CallScope => ({
        run(run) {
          scopes.push(name);
          return run();
        },
      }),
      end: () => void ended.push(name),
    });
    const observer = combineObservers([whole("first"), broken, whole("last")], (record) => void records.push(record));
    const call = {} as ObservedCall;
    const scope = observer?.begin?.(call);
    assert.equal(
      scope?.run(() => "result"),
      "result",
    );
    assert.throws(() => scope?.run(() => fail()), /^Error: failed$/); // the error of a handler
    assert.deepEqual(scopes, ["first", "last", "first", "last"]);
    observer?.end(call, undefined);
    await new Promise(setImmediate);
    assert.deepEqual(ended, ["first", "last"]);
    assert.deepEqual(
      records.map(({ event, method }) => `${event} ${method}`).sort(),
      methods.map((method) => `observer_error ${method}`),
    );
    for (const { message, method } of records)
      assert.match(message, new RegExp(`^observe a call: ${method}: Error: failed\n`));
  });

function fail(): never {
  throw new Error("failed");
}
