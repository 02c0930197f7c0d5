/** Tests that the headers of a request cannot be told from a `Headers` object of Node that was filled with its fields. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import type { Field, RequestHead } from "../../src/server/http/exchange.ts";
import { requestHeaders } from "../../src/server/rpc/request-headers.ts";
import { Random } from "../support/random.ts";

const NAMES = ["a", "x-long-name", "cookie", "set-cookie", "accept", "x_y", "__proto__", "constructor"];
const ASKED: readonly unknown[] = [
  ...NAMES,
  "A",
  "X-Long-Name",
  "COOKIE",
  "missing",
  "a b",
  "",
  "é",
  7,
  null,
  undefined,
];

/** Uses of headers, each with a result or an error. */
const USES: readonly ((headers: Headers, name: never) => unknown)[] = [
  (headers, name) => headers.get(name),
  (headers, name) => headers.has(name),
  (headers, name) => headers.set(name, "set"),
  (headers, name) => headers.append(name, "appended"),
  (headers, name) => headers.delete(name),
  (headers) => headers.getSetCookie(),
  (headers) => [...headers],
  (headers) => [...headers.keys()],
  (headers) => [...headers.values()],
  (headers) => [...headers.entries()],
  (headers) => entriesByForEach(headers),
  (headers) => [...new Headers(headers)],
  (headers) => [...new Request("http://localhost/", { headers }).headers],
  (headers) => inspect(headers),
  (headers) => Object.prototype.toString.call(headers),
  (headers) => ({ ...headers }),
  (headers) => headers instanceof Headers,
];

test("random uses of a request's headers have the results of Node's Headers", () => {
  const random = new Random(20_261_129);
  for (let run = 0; run < 2_000; run++) {
    const fields = Array.from({ length: random.below(6) }, (_, i): Field => [random.pick(NAMES), String(i)]);
    const headers = requestHeaders(headOf(fields));
    const expected = new Headers(fields as [string, string][]);
    for (let i = random.below(5); i >= 0; i--) {
      const use = random.pick(USES);
      const name = random.pick(ASKED) as never;
      assert.deepEqual(outcome(use, headers, name), outcome(use, expected, name), `${use}, ${String(name)}, ${run}`);
    }
    assert.deepEqual([...headers], [...expected]);
  }
});

test("a value is looked up in the request, whose fields are not created", () => {
  const asked: string[] = [];
  const head = headOf([]);
  Object.defineProperty(head, "fields", { get: () => assert.fail("the fields are created") });
  head.lookUp = (name) => {
    asked.push(name);
    return name === "a" ? "1" : undefined;
  };
  const headers = requestHeaders(head);
  assert.equal(headers.get("A"), "1");
  assert.equal(headers.get("b"), null);
  assert.equal(headers.has("a"), true);
  assert.equal(headers.has("b"), false);
  assert.deepEqual(asked, ["a", "b", "a", "b"]);
});

function headOf(fields: readonly Field[]): RequestHead {
  return { httpVersion: "2.0", scheme: "http", method: "POST", authority: "localhost", path: "/", fields };
}

function entriesByForEach(headers: Headers): unknown[] {
  const entries: unknown[] = [];
  headers.forEach(function (this: unknown, value, name, object) {
    entries.push([name, value, object === headers, this]);
  }, "this");
  return entries;
}

/** Returns the result, or the error in words. */
function outcome(use: (typeof USES)[number], headers: Headers, name: never): unknown {
  try {
    return use(headers, name);
  } catch (error) {
    return String(error);
  }
}
