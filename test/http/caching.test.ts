/** Caching of responses to GET: validators, conditions, and Cache-Control. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { HTTP_VERSIONS, type HttpResponse, type HttpVersion, send } from "../support/http.ts";
import { echoRoutes } from "../support/protos.ts";
import { startServer } from "../support/server.ts";

const SUM = "/calls.v1.CallService/Add?connect=v1&encoding=json&message=";
const SUM_OF_3 = `${SUM}%7B%22a%22%3A1%2C%22b%22%3A2%7D`;
const SUM_OF_3_BINARY = "/calls.v1.CallService/Add?connect=v1&encoding=proto&base64=1&message=CAEQAg";
const SUM_OF_4 = `${SUM}%7B%22a%22%3A2%2C%22b%22%3A2%7D`;
const SUM_OVER_INT32 = `${SUM}%7B%22a%22%3A2147483647%2C%22b%22%3A1%7D`;
const SAY = "/fixture.Echo/Say?connect=v1&encoding=json&message=%22%22";

const LARGE = "x".repeat(100_000);

for (const version of HTTP_VERSIONS) {
  test(`a response has a strong ETag, the service's Cache-Control, and Vary, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    const { status, headers, body } = await get(version, authority, SUM_OF_3);
    assert.deepEqual([status, body.toString()], [200, '{"sum":3}']);
    assert.match(String(headers.etag), /^"[\w-]+"$/);
    assert.equal(headers["cache-control"], "public, max-age=3600");
    assert.equal(headers.vary, "Accept-Encoding");
  });

  test(`equal bytes have equal ETags, and another body or codec has another ETag, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    const tags = [];
    for (const path of [SUM_OF_3, SUM_OF_3_BINARY, SUM_OF_4]) {
      const { etag } = (await get(version, authority, path)).headers;
      assert.equal((await get(version, authority, path)).headers.etag, etag);
      tags.push(etag);
    }
    assert.equal(new Set(tags).size, 3, String(tags));
  });

  test(`a response is 304 if the client names its ETag, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    const { etag } = (await get(version, authority, SUM_OF_3)).headers;
    for (const condition of [`${etag}`, `W/${etag}`, "*", `"other", ${etag}`, `W/"a,b",W/${etag} , "z"`]) {
      const { status, headers, body } = await get(version, authority, SUM_OF_3, { "if-none-match": condition });
      assert.deepEqual([status, body.length], [304, 0], condition);
      assert.equal(headers.etag, etag);
      assert.equal(headers["cache-control"], "public, max-age=3600");
      assert.equal(headers.vary, "Accept-Encoding");
      assert.deepEqual(
        Object.keys(headers).filter((name) => name.startsWith("content-")),
        [],
      );
    }
  });

  test(`a response has its body if the client names another ETag, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    const { etag } = (await get(version, authority, SUM_OF_4)).headers;
    for (const condition of [`${etag}`, '"other"', "", String(etag).slice(1, -1), '"*"']) {
      const { status, body } = await get(version, authority, SUM_OF_3, { "if-none-match": condition });
      assert.deepEqual([status, body.toString()], [200, '{"sum":3}'], condition);
    }
  });

  test(`a response to POST has no ETag and no Cache-Control, and ignores conditions, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    const headers = { "content-type": "application/json", "if-none-match": "*" };
    const response = await send(version, authority, {
      path: "/calls.v1.CallService/Add",
      headers,
      body: '{"a":1,"b":2}',
    });
    assert.deepEqual([response.status, response.body.toString()], [200, '{"sum":3}']);
    assert.deepEqual([response.headers.etag, response.headers["cache-control"]], [undefined, undefined]);
  });

  test(`an error is not stored and has no ETag, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    for (const [path, expected] of [
      [SUM_OVER_INT32, 400],
      [`${SUM}%5B`, 400],
      ["/calls.v1.CallService/Add?connect=v1&encoding=xml&message=", 415],
      ["/no.Such/Thing", 404],
      ["/grpc.health.v1.Health/Check", 405],
    ] as const) {
      assertNotStored(await get(version, authority, path, { "if-none-match": "*" }), expected);
    }
  });

  test(`an error is not stored even if the handler had allowed it, over ${version}`, async (t) => {
    const { authority, log } = await startServer(t, {
      routes: echoRoutes({
        say(_, { responseHeader }) {
          responseHeader.set("Cache-Control", "public, max-age=3600");
          throw new Error("too late");
        },
      }),
    });
    assertNotStored(await get(version, authority, SAY), 500);
    assert.equal(log.splice(0).length, 1);
  });

  test(`a response without Cache-Control from the service is not stored, over ${version}`, async (t) => {
    const { authority } = await startServer(t, { routes: echoRoutes({ say: () => ({ value: "now" }) }) });
    const response = await get(version, authority, SAY, { "if-none-match": "*" });
    assertNotStored(response, 200);
    assert.equal(response.body.toString(), '"now"');
  });

  test(`a compressed response has another ETag than the plain one, and each has its own 304, over ${version}`, async (t) => {
    const { authority } = await startServer(t, {
      routes: echoRoutes({
        say(_, { responseHeader }) {
          responseHeader.set("Cache-Control", "private");
          return { value: LARGE };
        },
      }),
    });
    const tags = [];
    for (const [encoding, expected] of [
      ["identity", Buffer.from(`"${LARGE}"`)],
      ["gzip", gzipSync(`"${LARGE}"`)],
      ["br", undefined],
    ] as const) {
      const accept = { "accept-encoding": encoding };
      const { status, headers, body } = await get(version, authority, SAY, accept);
      assert.equal(status, 200);
      assert.equal(headers["content-encoding"], encoding === "identity" ? undefined : encoding);
      assert.equal(headers["content-length"], String(body.length));
      assert.equal(headers.vary, "Accept-Encoding");
      if (expected !== undefined) assert.equal(body.compare(expected), 0);
      const again = await get(version, authority, SAY, { ...accept, "if-none-match": String(headers.etag) });
      assert.deepEqual([again.status, again.headers.etag, again.body.length], [304, headers.etag, 0]);
      tags.push(headers.etag);
    }
    assert.equal(new Set(tags).size, 3, String(tags));
    const other = await get(version, authority, SAY, { "accept-encoding": "gzip", "if-none-match": String(tags[0]) });
    assert.deepEqual([other.status, other.headers.etag], [200, tags[1]]);
  });
}

function get(
  version: HttpVersion,
  authority: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<HttpResponse> {
  return send(version, authority, { method: "GET", path, headers });
}

function assertNotStored({ status, headers }: HttpResponse, expected: number): void {
  assert.equal(status, expected);
  assert.deepEqual([headers["cache-control"], headers.etag], ["no-store", undefined]);
}
