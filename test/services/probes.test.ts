/** Tests that an interceptor that requires credentials does not apply to health probes, which have none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "../../gen/health/v1/health_pb.ts";
import { CallService } from "../gen/calls/v1/calls_pb.ts";
import { run } from "../support/command.ts";
import { findJudge } from "../support/judge.ts";
import { startServer } from "../support/server.ts";
import { TRANSPORTS } from "../support/transports.ts";

const { SERVING } = ServingStatus;
const UNAUTHENTICATED = { code: Code.Unauthenticated };

const authenticating: Interceptor = (next) => (request) => {
  if (request.header.has("authorization")) return next(request);
  throw new ConnectError("authenticate the caller: no authorization header", Code.Unauthenticated);
};

for (const { name, tls, http, create } of TRANSPORTS) {
  for (const fastPath of [true, false]) {
    for (const interceptHealth of [undefined, true]) {
      test(`health is ${interceptHealth ? "" : "not "}intercepted with interceptHealth ${interceptHealth}, ${fastPath ? "with" : "without"} the fast path, by ${name}`, async (t) => {
        const options = { tls, fastPath, interceptors: [authenticating], ...(interceptHealth && { interceptHealth }) };
        const { url } = await startServer(t, options);
        const transport = create(url);
        await assert.rejects(createClient(CallService, transport).add({ a: 1, b: 2 }), UNAUTHENTICATED);
        if (http === "2") {
          const reflection = createClient(ServerReflection, transport).serverReflectionInfo(none());
          await assert.rejects(Array.fromAsync(reflection), UNAUTHENTICATED);
        }

        const client = createClient(Health, transport);
        const abort = new AbortController();
        const watch = client.watch({}, { signal: abort.signal })[Symbol.asyncIterator]();
        const calls = [client.check({}), client.list({}), watch.next()] as const;
        if (interceptHealth) {
          await Promise.all(calls.map((call) => assert.rejects(call as Promise<unknown>, UNAUTHENTICATED)));
        } else {
          const [{ status }, { statuses }, { value }] = await Promise.all(calls);
          assert.deepEqual(
            [status, statuses["calls.v1.CallService"]?.status, value?.status],
            [SERVING, SERVING, SERVING],
          );
        }
        abort.abort();
        await watch.next().catch(() => {});
      });
    }
  }
}

for (const [interceptHealth, code, says] of [
  [false, 0, /status: SERVING/],
  [true, 3, /no authorization header/],
] as const) {
  test(`grpc_health_probe ends with ${code} with interceptHealth ${interceptHealth}`, async (t) => {
    const probe = findJudge(t, "grpc_health_probe", "grpc-health-probe");
    if (probe === undefined) return;
    const { authority } = await startServer(t, { interceptors: [authenticating], interceptHealth });
    const result = await run(probe, ["-addr", authority]);
    assert.match(result.stdout + result.stderr, says);
    assert.equal(result.code, code);
  });
}

async function* none(): AsyncGenerator<never> {}
