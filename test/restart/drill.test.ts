/** Tests that the drill can fail: killed servers lose calls, and the drill names the clients. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "../support/command.ts";

test("a drill whose servers are killed exits with 1, and names the clients with lost calls and the exits of the servers", async () => {
  const { code, stdout, stderr } = await run("node", ["test/restart/run.ts", "--restarts", "1", "--kill"]);
  assert.equal(code, 1, stderr);
  assert.match(stdout, /^client +calls +failed +restarts seen +slowest ms +note\n/);
  // Clients that have calls in flight at any time.
  for (const name of ["gRPC, grpc-js, slow calls", "Connect over HTTP/1.1, connect-node, slow calls"]) {
    assert.match(stderr, new RegExp(`^${name}: [1-9]\\d* calls failed; at most 0 may$`, "m"));
  }
  assert.match(stderr, /^Watch, grpc-js: 1 calls failed; at most 0 may$/m);
  assert.match(stderr, /^Watch, grpc-js: had calls under way at 0 of 1 signals that then went well$/m);
  assert.match(stderr, /^servers exited with SIGKILL; must be 0$/m);
});

for (const { args, says } of [
  { args: ["--restarts", "0"], says: '--restarts: "0" must be a whole number from 1 to 9999\n' },
  { args: ["--nope"], says: "--nope: no such flag; --restarts N, --kill and --workers are\n" },
  { args: ["--", "--nope"], says: "--nope: unknown flag; see --help\n" },
  { args: ["5"], says: '"5": must be a flag; --restarts N, --kill and --workers are\n' },
]) {
  test(`a drill with ${args.join(" ")} prints the allowed arguments, and exits with 2`, async () => {
    assert.deepEqual(await run("node", ["test/restart/run.ts", ...args]), { code: 2, stdout: "", stderr: says });
  });
}
