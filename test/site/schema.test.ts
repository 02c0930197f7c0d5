/** Tests the schema that the page loads: its services, its files, and its HTTP responses. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { createFileRegistry, type DescService, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { Routes } from "../../src/server/rpc/options.ts";
import type { Page } from "../../src/server/site/page.ts";
import { HTTP_VERSIONS, type HttpResponse, type HttpVersion, send } from "../support/http.ts";
import { compileContract, echoRoutes } from "../support/protos.ts";
import { startServer } from "../support/server.ts";

const PATH = "/-/schema";

/** A page without files: the schema comes with every page. */
const PAGE: Page = { isWanted: () => false, index: () => {}, files: (exchange) => exchange.reset() };

/** Three services in one file, and types that they import. */
const CONTRACT = `
syntax = "proto3";
package some.v1;

import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";

service AService {
  rpc Do(google.protobuf.Timestamp) returns (Whole);
}
service BService {
  rpc Do(Whole) returns (Whole);
}
service CService {
  rpc Do(Whole) returns (Whole);
}
message Whole {
  google.protobuf.Struct all = 1;
}
`;

for (const version of HTTP_VERSIONS) {
  test(`the schema has the services of the routes in their order, and no others, over ${version}`, async (t) => {
    const contract = compileContract(t, CONTRACT);
    const [a, c] = ["AService", "CService"].map((name) => contract.getService(`some.v1.${name}`) as DescService);
    const routes: Routes = (router) => {
      for (const service of [c, a]) router.service(service as DescService, {});
      echoRoutes({})(router);
    };
    const response = await get(await start(t, routes), version);
    assert.equal(response.status, 200);
    assert.deepEqual(serviceNames(response.body), ["some.v1.CService", "some.v1.AService", "fixture.Echo"]);
  });

  test(`each file of the schema follows those that it imports, and is there once, over ${version}`, async (t) => {
    const contract = compileContract(t, CONTRACT);
    const routes: Routes = (router) => {
      for (const file of contract.files) for (const service of file.services) router.service(service, {});
    };
    const { body } = await get(await start(t, routes), version);
    const seen = new Set<string>();
    for (const { name, dependency } of fromBinary(FileDescriptorSetSchema, body).file) {
      assert.ok(
        dependency.every((each) => seen.has(each)),
        `${name} before ${dependency}`,
      );
      assert.ok(!seen.has(name), name);
      seen.add(name);
    }
    assert.deepEqual([...seen].sort(), [
      "google/protobuf/struct.proto",
      "google/protobuf/timestamp.proto",
      "service.proto",
    ]);
  });

  test(`the schema is revalidated, in the coding that the client accepts, over ${version}`, async (t) => {
    const authority = await start(t);
    const plain = await get(authority, version);
    assert.equal(plain.headers["content-type"], "application/x-protobuf");
    assert.equal(plain.headers["cache-control"], "no-cache");
    assert.equal(plain.headers.vary, "Accept-Encoding");
    assert.equal(plain.headers["cross-origin-resource-policy"], "same-origin");
    assert.equal(plain.headers["x-content-type-options"], "nosniff");
    assert.match(String(plain.headers["content-security-policy"]), /^default-src 'none'/);
    const compressed = await get(authority, version, { "accept-encoding": "gzip, br" });
    assert.equal(compressed.headers["content-encoding"], "gzip");
    assert.deepEqual(gunzipSync(compressed.body), plain.body);
    assert.notEqual(compressed.headers.etag, plain.headers.etag);
    const known = await get(authority, version, { "if-none-match": String(plain.headers.etag) });
    assert.deepEqual([known.status, known.body.length, known.headers.etag], [304, 0, plain.headers.etag]);
    const head = await send(version, authority, { method: "HEAD", path: PATH });
    assert.deepEqual([head.status, head.body.length], [200, 0]);
    assert.equal(head.headers["content-length"], String(plain.body.length));
    const post = await send(version, authority, { method: "POST", path: PATH, body: "x" });
    assert.deepEqual([post.status, post.headers.allow], [405, "GET, HEAD, OPTIONS"]);
  });

  test(`without a page, the path of the schema is not a procedure, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    const response = await get(authority, version);
    assert.deepEqual([response.status, JSON.parse(response.body.toString()).code], [404, "unimplemented"]);
  });
}

test("the schema needs no reflection, and a host that is not allowed does not get it", async (t) => {
  const { authority, log } = await startServer(t, { page: PAGE, routes: echoRoutes({}), reflection: false });
  assert.deepEqual(serviceNames((await get(authority, "HTTP/1.1")).body), ["fixture.Echo"]);
  const refused = await get(authority, "HTTP/1.1", { host: "rebound.example" });
  assert.equal(refused.status, 403);
  assert.equal(log.splice(0).length, 1);
});

async function start(t: TestContext, routes: Routes = echoRoutes({})): Promise<string> {
  return (await startServer(t, { page: PAGE, routes })).authority;
}

function get(authority: string, version: HttpVersion, headers: Record<string, string> = {}): Promise<HttpResponse> {
  return send(version, authority, { method: "GET", path: `${PATH}?x`, headers });
}

function serviceNames(body: Uint8Array): string[] {
  const { files } = createFileRegistry(fromBinary(FileDescriptorSetSchema, body));
  return [...files].flatMap((file) => file.services).map(({ typeName }) => typeName);
}
