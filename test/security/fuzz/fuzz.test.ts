/** Runs each fuzzer for a short time, and tests the arguments of main.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "../../support/command.ts";
import { calls } from "./calls.ts";
import { http1 } from "./http1.ts";
import { http2 } from "./http2.ts";
import { readOptions } from "./options.ts";
import { fuzz } from "./run.ts";

for (const [target, seeds] of [
  [http2, 500],
  [http1, 300],
  [calls, 300],
] as const) {
  test(`${seeds} random attempts at ${target.name} find nothing`, async () => {
    await fuzz(target, 1, (count) => count === seeds);
  });
}

test("its arguments are read", () => {
  const options = readOptions(["--seed", "7", "--seconds", "3", "--target", "calls"], ["http1", "calls"]);
  assert.deepEqual(options, { seed: 7, seconds: 3, target: "calls" });
  const { seed, ...others } = readOptions([], ["calls"]);
  assert.ok(Number.isInteger(seed));
  assert.deepEqual(others, { seconds: 10, target: undefined });
});

for (const [args, sentence] of [
  [["--seconds", "x"], '--seconds: "x" must be a whole number from 1 to 86400'],
  [["--seconds", "0"], '--seconds: "0" must be a whole number from 1 to 86400'],
  [["--seconds", "1e9"], '--seconds: "1e9" must be a whole number from 1 to 86400'],
  [["--seed", "one"], '--seed: "one" must be a whole number from 0 to 999999999'],
  [["--seed", ""], '--seed: "" must be a whole number from 0 to 999999999'],
  [["--target", "http3"], '--target: "http3" must be one of http2, http1, calls'],
] as const) {
  test(`${args.join(" ")} is a sentence and exit 2`, async () => {
    assert.deepEqual(await run("node", ["test/security/fuzz/main.ts", ...args]), {
      code: 2,
      stdout: "",
      stderr: `${sentence}\n`,
    });
  });
}

test("a flag that the fuzzer does not have is a sentence and exit 2", async () => {
  const { code, stdout, stderr } = await run("node", ["test/security/fuzz/main.ts", "--sed", "1"]);
  assert.deepEqual([code, stdout], [2, ""]);
  assert.match(stderr, /^Unknown option '--sed'.*\n$/);
});
