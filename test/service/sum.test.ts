/** Tests GetSum: its sums, its error, and the responses that caches may store. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { DataSchema } from "../../gen/service_pb.ts";
import { routes } from "../../src/routes.ts";
import { getSum } from "../../src/sum.ts";
import { startServer } from "../support/server.ts";

const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;

for (const [a, b, sum] of [
  [1, 2, 3],
  [-1, 1, 0],
  [INT32_MAX, 0, INT32_MAX],
  [INT32_MIN + 1, -1, INT32_MIN],
  [INT32_MIN, INT32_MAX, -1],
] as const) {
  test(`${a} and ${b} are ${sum}`, () => {
    assert.equal(getSum(create(DataSchema, { a, b })).sum, sum);
  });
}

for (const [a, b, sum] of [
  [INT32_MAX, 1, 2 ** 31],
  [INT32_MIN, -1, -(2 ** 31) - 1],
] as const) {
  test(`${a} and ${b} are out of range`, () => {
    assert.throws(
      () => getSum(create(DataSchema, { a, b })),
      new ConnectError(`add ${a} and ${b}: ${sum} is outside int32, ${INT32_MIN} to ${INT32_MAX}`, Code.OutOfRange),
    );
  });
}

test("caches may store the response to a GET, but not to a POST", async (t) => {
  const { url } = await startServer(t, { routes });
  const path = `${url}/test.Test/GetSum`;
  const body = '{"a":1,"b":2}';
  const get = await fetch(`${path}?encoding=json&message=${encodeURIComponent(body)}`);
  assert.deepEqual([await get.json(), get.headers.get("cache-control")], [{ sum: 3 }, "public, max-age=3600"]);
  const post = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body });
  assert.deepEqual([await post.json(), post.headers.get("cache-control")], [{ sum: 3 }, null]);
});
