/** Token buckets: the size of a burst, and the rate after it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TokenBucket } from "../../src/server/http2/common/token-bucket.ts";

/** Takes tokens at a time until none is left. Returns their number, up to 1,000. */
function allowed(bucket: TokenBucket, now: number): number {
  let count = 0;
  while (count < 1_000 && bucket.take(now)) count++;
  return count;
}

test("a burst of four seconds' worth is allowed, at the beginning and after any pause", () => {
  const bucket = new TokenBucket(10, 0);
  assert.equal(allowed(bucket, 0), 40);
  assert.equal(allowed(bucket, 60_000), 40);
  const fresh = new TokenBucket(10, 0);
  assert.equal(allowed(fresh, 60_000), 40);
});

test("after a burst, events are allowed at their rate", () => {
  const bucket = new TokenBucket(10, 0);
  allowed(bucket, 0);
  assert.equal(allowed(bucket, 500), 5);
  assert.equal(allowed(bucket, 550), 0);
  assert.equal(allowed(bucket, 600), 1);
});

test("added tokens allow a burst of up to four seconds' worth", () => {
  const bucket = new TokenBucket(10, 0);
  allowed(bucket, 0);
  bucket.add(3);
  assert.equal(allowed(bucket, 0), 3);
  bucket.add(100);
  assert.equal(allowed(bucket, 0), 40);
});

test("an infinite rate allows all events", () => {
  assert.equal(allowed(new TokenBucket(Number.POSITIVE_INFINITY, 0), 0), 1_000);
});
