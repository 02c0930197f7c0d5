/** Runs the program whose handlers make spans, and calls it. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { CallService } from "../../gen/calls/v1/calls_pb.ts";
import { StreamService } from "../../gen/streams/v1/streams_pb.ts";
import { ENV, ROOT } from "../../support/command.ts";
import { type RunningProcess, startProcessIn } from "../../support/process.ts";

export const TRACED_MAIN = "test/telemetry/support/traced-main.ts";

/** Sends spans without delay. */
const QUICK = { OTEL_BSP_SCHEDULE_DELAY: "20" };

export interface Traced extends RunningProcess {
  readonly calls: Client<typeof CallService>;
  readonly streams: Client<typeof StreamService>;
  /** The same over Connect and HTTP/1.1. */
  readonly connect: Client<typeof CallService>;
  /** Sends SIGTERM. Resolves when the process has exited, and fails if its exit code is not 0. */
  stop(): Promise<void>;
}

/** Starts the program. `env` are the OTEL_* variables. */
export async function startTraced(
  t: TestContext,
  env: Readonly<Record<string, string>>,
  ...flags: readonly string[]
): Promise<Traced> {
  const process = await startProcessIn(
    t,
    ROOT,
    { ...ENV, ...QUICK, ...env },
    "node",
    TRACED_MAIN,
    "--port",
    "0",
    ...flags,
  );
  const baseUrl = `http://${process.authority}`;
  const grpc = createGrpcTransport({ baseUrl });
  return {
    ...process,
    calls: createClient(CallService, grpc),
    streams: createClient(StreamService, grpc),
    connect: createClient(CallService, createConnectTransport({ baseUrl, httpVersion: "1.1" })),
    async stop() {
      process.child.kill("SIGTERM");
      assert.equal(await process.exit, 0, process.stderr());
    },
  };
}

/** Makes this number of calls, 50 at a time. */
export async function callMany({ calls }: Traced, count: number): Promise<void> {
  for (let made = 0; made < count; made += 50) {
    const batch = Math.min(50, count - made);
    await Promise.all(Array.from({ length: batch }, (_, i) => calls.add({ a: i, b: 1 })));
  }
}
