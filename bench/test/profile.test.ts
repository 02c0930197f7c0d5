/** Tests the shares of a profile. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Profile, sharesOf } from "../profile.ts";

const FRAMES: readonly (readonly [functionName: string, url: string])[] = [
  ["(idle)", ""],
  ["(garbage collector)", ""],
  ["writeBuffer", ""],
  ["nextTick", "node:internal/process/task_queues"],
  ["fromBinary", "file:///p/node_modules/@bufbuild/protobuf/dist/esm/from-binary.js"],
  ["receive", "file:///p/src/server/http2/connection.ts"],
  ["handle", "file:///p/src/server/rpc/fast-path/fast-path.ts"],
  ["add", "file:///p/test/support/call-service.ts"],
];

test("each sample of the second half counts for its part, and an idle process for none", () => {
  const nodes = FRAMES.map(([functionName, url], id) => ({ id, callFrame: { functionName, url } }));
  const samples = [6, 6, 0, 0, 1, 2, 3, 4, 5, 6, 7, 2, 2, 2];
  const timeDeltas = samples.map((_, i) => (i < 4 ? 250 : 100));
  const profile: Profile = { startTime: 5_000, endTime: 7_000, nodes, samples, timeDeltas };
  const shares = sharesOf(profile);
  const expected = { writes: 0.4, Node: 0.1, "protobuf-es": 0.1, HTTP: 0.1, RPC: 0.1, collector: 0.1, other: 0.1 };
  for (const [part, share] of Object.entries(expected))
    assert.ok(Math.abs(shares[part as keyof typeof shares] - share) < 1e-9, `${part}: ${JSON.stringify(shares)}`);
});
