/** Tests the histogram of call durations, and that the metrics of several processes become one. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { DescMethod } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { Health } from "../../gen/health/v1/health_pb.ts";
import type { ObservedCall } from "../../src/server/rpc/observer.ts";
import { CallDurations } from "../../src/telemetry/call-durations.ts";
import { expose } from "../../src/telemetry/exposition.ts";
import { CallService } from "../gen/calls/v1/calls_pb.ts";

const { add, record } = CallService.method;
const ADD = 'rpc_system_name="grpc",rpc_method="calls.v1.CallService/Add"';

test("durations are exact to the microsecond, and a bound belongs to its bucket", async (t) => {
  const durations = new CallDurations([0.000_05, 0.000_051, 0.001]);
  for (const ms of [0.049, 0.05, 0.051, 0.052, 1, 1.001]) end(t, durations, { ms });
  const lines = await linesOf(durations);
  const ok = `${ADD},rpc_status_code="OK"`;
  assert.deepEqual(lines, [
    `rpc_server_call_duration_seconds_bucket{${ok},le="0.00005"} 2`,
    `rpc_server_call_duration_seconds_bucket{${ok},le="0.000051"} 3`,
    `rpc_server_call_duration_seconds_bucket{${ok},le="0.001"} 5`,
    `rpc_server_call_duration_seconds_bucket{${ok},le="+Inf"} 6`,
    lines[4],
    `rpc_server_call_duration_seconds_count{${ok}} 6`,
  ]);
  const [, sum = ""] = /_sum\{.*\} (.*)$/.exec(lines[4] ?? "") ?? [];
  assert.ok(Math.abs(Number(sum) - 0.002_203) < 1e-9, sum);
});

for (const { protocolName, code, labels } of [
  { protocolName: "grpc", code: undefined, labels: 'grpc",STATUS="OK"' },
  { protocolName: "grpc-web", code: Code.Canceled, labels: 'grpc",STATUS="CANCELLED"' },
  { protocolName: "connect", code: undefined, labels: 'connectrpc",STATUS="OK"' },
  { protocolName: "connect", code: Code.Canceled, labels: 'connectrpc",STATUS="canceled"' },
  { protocolName: "connect", code: Code.NotFound, labels: 'connectrpc",STATUS="not_found"' },
  { protocolName: "grpc", code: Code.DataLoss, labels: 'grpc",STATUS="DATA_LOSS",error_type="DATA_LOSS"' },
  { protocolName: "connect", code: Code.Internal, labels: 'connectrpc",STATUS="internal",error_type="internal"' },
] as const)
  test(`a call of ${protocolName} with the code ${code} has the labels of the conventions`, async (t) => {
    const durations = new CallDurations([1]);
    end(t, durations, { protocolName, code });
    const [system, rest] = labels.split('",STATUS=');
    const expected = `rpc_system_name="${system}",rpc_method="calls.v1.CallService/Add",rpc_status_code=${rest}`;
    assert.equal((await linesOf(durations)).at(-1), `rpc_server_call_duration_seconds_count{${expected}} 1`);
  });

test("numbers that are not a code are one series", async (t) => {
  const durations = new CallDurations([1]);
  for (const code of [Code.Unknown, 17, 99, -1, 2.5, Number.NaN]) end(t, durations, { code: code as Code });
  const labels = `${ADD},rpc_status_code="UNKNOWN",error_type="UNKNOWN"`;
  assert.deepEqual(
    (await linesOf(durations)).filter((line) => line.includes("_count")),
    [`rpc_server_call_duration_seconds_count{${labels}} 6`],
  );
});

test("error_type is set for six codes", async (t) => {
  const durations = new CallDurations([1]);
  for (let code = 1; code <= 16; code++) end(t, durations, { code });
  const errors = (await linesOf(durations)).flatMap((line) => /_count\{.*error_type="(\w+)"/.exec(line)?.[1] ?? []);
  const six = ["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"];
  assert.deepEqual(errors, six);
});

test("health is left out, and procedures that are not served have one label", async (t) => {
  const durations = new CallDurations([1]);
  end(t, durations, { method: Health.method.check });
  end(t, durations, { method: undefined, code: Code.Unimplemented });
  end(t, durations, { method: undefined, code: Code.Unimplemented });
  const labels = 'rpc_method="_OTHER",rpc_status_code="UNIMPLEMENTED",error_type="UNIMPLEMENTED"';
  assert.deepEqual(
    (await linesOf(durations)).filter((line) => line.includes("_count")),
    [`rpc_server_call_duration_seconds_count{rpc_system_name="grpc",${labels}} 2`],
  );
});

test("the metrics of two processes are summed", async (t) => {
  const [one, two] = [new CallDurations([1]), new CallDurations([1])];
  end(t, one, {});
  end(t, two, { ms: 1_500 });
  end(t, two, { method: record });
  const counts = (await expose([[one.read()], [two.read()]])).split("\n").filter((line) => !line.startsWith("#"));
  const ok = 'rpc_status_code="OK"';
  assert.ok(counts.includes(`rpc_server_call_duration_seconds_count{${ADD},${ok}} 2`), counts.join("\n"));
  assert.ok(counts.includes(`rpc_server_call_duration_seconds_bucket{${ADD},${ok},le="1"} 1`));
  assert.equal(counts.filter((line) => line.includes("Record") && line.endsWith(" 1")).length, 3);
});

interface Ended {
  readonly method?: DescMethod | undefined;
  readonly protocolName?: ObservedCall["protocolName"];
  readonly code?: Code | undefined;
  readonly ms?: number;
}

/** Ends a call that took exactly `ms`. */
function end(t: TestContext, durations: CallDurations, ended: Ended): void {
  const { method = "method" in ended ? undefined : add, protocolName = "grpc", code, ms = 0.5 } = ended;
  const clock = t.mock.method(performance, "now", () => ms);
  durations.end({ method, protocolName, startedAt: 0 } as ObservedCall, code);
  clock.mock.restore();
}

/** Returns the lines of Prometheus's text, without comments. */
async function linesOf(durations: CallDurations): Promise<string[]> {
  return (await expose([[durations.read()]])).split("\n").filter((line) => /^\w/.test(line));
}
