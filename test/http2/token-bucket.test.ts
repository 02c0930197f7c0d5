/** How many events may come at once, and how many then. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TokenBucket } from "../../src/server/http2/common/token-bucket.ts";

/** How many of more than enough events are allowed at that time. */
function allowed(rate: TokenBucket, now: number): number {
  let count = 0;
  while (count < 1_000 && rate.take(now)) count++;
  return count;
}

test("four seconds' worth may come at once, at the beginning and after any silence", () => {
  const rate = new TokenBucket(10, 0);
  assert.equal(allowed(rate, 0), 40);
  assert.equal(allowed(rate, 60_000), 40);
  const fresh = new TokenBucket(10, 0);
  assert.equal(allowed(fresh, 60_000), 40);
});

test("after that they may come at their rate", () => {
  const rate = new TokenBucket(10, 0);
  allowed(rate, 0);
  assert.equal(allowed(rate, 500), 5);
  assert.equal(allowed(rate, 550), 0);
  assert.equal(allowed(rate, 600), 1);
});

test("what is earned may come at once, up to four seconds' worth", () => {
  const rate = new TokenBucket(10, 0);
  allowed(rate, 0);
  rate.add(3);
  assert.equal(allowed(rate, 0), 3);
  rate.add(100);
  assert.equal(allowed(rate, 0), 40);
});

test("a rate without end allows all", () => {
  assert.equal(allowed(new TokenBucket(Number.POSITIVE_INFINITY, 0), 0), 1_000);
});
