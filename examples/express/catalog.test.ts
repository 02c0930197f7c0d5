/** Runs the same tests on both servers, by clients of every protocol that works over HTTP/1.1. */
import assert from "node:assert/strict";
import * as http from "node:http";
import { after, before, describe, test } from "node:test";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  type ConnectTransportOptions,
  compressionGzip,
  createConnectTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { type RunningServer, startServer } from "../start-server.ts";
import { CatalogService, SimilarProductsSchema } from "./gen/catalog/v1/catalog_pb.ts";

type Options = ConnectTransportOptions & { httpVersion: "1.1" };

const CLIENTS: Readonly<Record<string, (options: Options) => Transport>> = {
  "Connect with JSON": (options) => createConnectTransport({ ...options, useBinaryFormat: false }),
  "Connect with protobuf": createConnectTransport,
  "Connect by GET": (options) => createConnectTransport({ ...options, useHttpGet: true }),
  "gRPC-Web": createGrpcWebTransport,
};
const TOKEN = { authorization: "Bearer ada-token" };

for (const file of ["before.ts", "server.ts"]) {
  describe(file, () => {
    let server: RunningServer;
    let baseUrl = "";
    before(async () => {
      server = await startServer(file);
      baseUrl = server.urls[0] ?? "";
    });
    after(() => server[Symbol.asyncDispose]());

    for (const [name, createTransport] of Object.entries(CLIENTS)) {
      describe(name, () => {
        const connect = (options: Partial<Options> = {}) =>
          createClient(CatalogService, createTransport({ baseUrl, httpVersion: "1.1", ...options }));

        test("a call and the REST API share the products", async () => {
          const id = `pear ${name}`;
          const product = { id, name: "A pear", cents: 70 };
          const { user } = await connect().putProduct({ product }, { headers: TOKEN });
          assert.equal(user, "Ada");
          assert.deepEqual(await (await fetch(`${baseUrl}/products/${id}`)).json(), {
            $typeName: "catalog.v1.Product",
            ...product,
          });
          assert.equal((await connect().getProduct({ id })).product?.cents, 70);
        });

        test("the middleware before the RPCs gives calls their user, and refuses unknown tokens", async () => {
          const missing = await rejection(connect().putProduct({ product: { id: "pear" } }));
          assert.deepEqual([missing.code, missing.rawMessage], [Code.Unauthenticated, "a token is missing"]);
          const headers = { authorization: "Bearer stolen" };
          const unknown = await rejection(connect().getProduct({ id: "apple" }, { headers }));
          assert.equal(unknown.code, Code.Unauthenticated);
          assert.notEqual(unknown.rawMessage, "a token is missing");
        });

        test("an error has its details", async () => {
          const error = await rejection(connect().getProduct({ id: "avocado" }));
          assert.deepEqual([error.code, error.rawMessage], [Code.NotFound, "product avocado does not exist"]);
          assert.deepEqual(
            error.findDetails(SimilarProductsSchema).map(({ ids }) => ids),
            [["apple", "apricot"]],
          );
        });

        test("ListProducts streams, until the deadline or the client ends it", async () => {
          const ids: (string | undefined)[] = [];
          for await (const { product } of connect().listProducts({})) ids.push(product?.id);
          assert.deepEqual(ids.slice(0, 3), ["apple", "apricot", "banana"]);

          const late = connect().listProducts({ pauseMs: 60_000 }, { timeoutMs: 100 })[Symbol.asyncIterator]();
          assert.equal((await late.next()).value?.product?.id, "apple");
          assert.equal((await rejection(late.next())).code, Code.DeadlineExceeded);

          const cancel = new AbortController();
          const call = connect().listProducts({ pauseMs: 60_000 }, { signal: cancel.signal })[Symbol.asyncIterator]();
          assert.equal((await call.next()).value?.product?.id, "apple");
          cancel.abort();
          assert.equal((await rejection(call.next())).code, Code.Canceled);
        });

        test("compressed requests are understood", async () => {
          const catalog = connect({ sendCompression: compressionGzip, compressMinBytes: 1 });
          const product = { id: `plum ${name}`, name: "A plum", cents: 30 };
          assert.equal((await catalog.putProduct({ product }, { headers: TOKEN })).user, "Ada");
        });
      });
    }

    test("each header of a response is sent once", async () => {
      for (const [method, contentType, body] of [
        ["GetProduct", "application/json", '{"id":"apple"}'],
        ["GetProduct", "application/json", '{"id":"avocado"}'],
        ["GetProduct", "application/grpc-web+proto", Buffer.of(0, 0, 0, 0, 0)],
        ["ListProducts", "application/connect+json", Buffer.from("\0\0\0\0\x02{}")],
      ] as const) {
        const { headers } = await post(`${baseUrl}/catalog.v1.CatalogService/${method}`, contentType, body);
        const names = headers.map((name) => name.toLowerCase());
        assert.deepEqual(names, [...new Set(names)]);
        for (const name of ["content-security-policy", "access-control-allow-origin", "vary"])
          assert.ok(names.includes(name), `${method} has ${name}`);
      }
    });

    test("a body that express.json() refuses gets the error of the application", async () => {
      const url = `${baseUrl}/catalog.v1.CatalogService/GetProduct`;
      const { status, text } = await post(url, "application/json", '{"id":');
      assert.equal(status, 400);
      assert.match(JSON.parse(text).message, /^SyntaxError/);
    });

    test("the middleware after the RPCs serves the other paths", async () => {
      const echo = await post(`${baseUrl}/echo`, "application/json", '{"a":1}');
      assert.deepEqual([echo.status, echo.text], [200, '{"a":1}']);
      assert.equal((await fetch(`${baseUrl}/products/avocado`)).status, 404);
      const unknown = await post(`${baseUrl}/catalog.v1.CatalogService/Unknown`, "application/json", "{}");
      assert.equal(unknown.status, 404);
      assert.match(JSON.parse(unknown.text).message, /Unknown does not exist$/);
    });

    test("a preflight is answered by the middleware cors", async () => {
      const response = await fetch(`${baseUrl}/catalog.v1.CatalogService/GetProduct`, {
        method: "OPTIONS",
        headers: { origin: "https://shop.example", "access-control-request-method": "POST" },
      });
      assert.equal(response.status, 204);
      assert.equal(response.headers.get("access-control-allow-origin"), "https://shop.example");
      assert.match(response.headers.get("access-control-allow-headers") ?? "", /Connect-Protocol-Version/);
    });
  });

  test(`${file} ends after the calls in flight when it gets SIGTERM`, async () => {
    await using server = await startServer(file);
    const nodeOptions = { agent: false } as const; // the connection ends with the call
    const transport = createConnectTransport({ baseUrl: server.urls[0] ?? "", httpVersion: "1.1", nodeOptions });
    const call = createClient(CatalogService, transport).listProducts({ pauseMs: 100 })[Symbol.asyncIterator]();
    assert.equal((await call.next()).value?.product?.id, "apple");
    server.stop();
    assert.equal((await call.next()).value?.product?.id, "apricot");
    assert.equal((await call.next()).value?.product?.id, "banana");
    assert.equal((await call.next()).done, true);
    assert.equal(await server.exit, 0);
  });
}

async function rejection(promise: Promise<unknown>): Promise<ConnectError> {
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  assert.ok(error instanceof ConnectError, `${error} is a ConnectError`);
  return error;
}

/** Posts a body. Returns the names of the headers as they were received, with those that were sent twice. */
async function post(url: string, contentType: string, body: string | Uint8Array) {
  const headers = { "content-type": contentType, origin: "https://shop.example" };
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  http.request(url, { method: "POST", headers, agent: false }, resolve).on("error", reject).end(body);
  const response = await promise;
  const text = (await response.toArray()).join("");
  return { status: response.statusCode, headers: response.rawHeaders.filter((_, index) => index % 2 === 0), text };
}
