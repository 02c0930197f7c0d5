/** Runs the same tests on both servers, by clients of every protocol that works over HTTP/1.1. */
import * as assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as http from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  type ConnectTransportOptions,
  compressionGzip,
  createConnectTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { OrdersService, StockSchema } from "./gen/orders/v1/orders_pb";

type Options = ConnectTransportOptions & { httpVersion: "1.1" };

const CLIENTS: Readonly<Record<string, (options: Options) => Transport>> = {
  "Connect with JSON": (options) => createConnectTransport({ ...options, useBinaryFormat: false }),
  "Connect with protobuf": createConnectTransport,
  "Connect by GET": (options) => createConnectTransport({ ...options, useHttpGet: true }),
  "gRPC-Web": createGrpcWebTransport,
};
const ADA = { "x-tenant": "Ada" };

for (const file of ["before.js", "server.js"]) {
  describe(file, () => {
    let server: ChildProcess;
    let baseUrl = "";
    before(async () => {
      [server, baseUrl] = await startServer(file);
    });
    after(() => server.kill("SIGKILL"));

    for (const [name, createTransport] of Object.entries(CLIENTS)) {
      describe(name, () => {
        const connect = (options: Partial<Options> = {}) =>
          createClient(OrdersService, createTransport({ baseUrl, httpVersion: "1.1", ...options }));

        test("calls and the controller share a provider", async () => {
          const { order } = await connect().placeOrder({ item: "apple", quantity: 3 }, { headers: ADA });
          const response = await fetch(`${baseUrl}/orders/${order?.id}`, { headers: ADA });
          assert.deepEqual(await response.json(), { item: "apple", quantity: 3 });
        });

        test("calls have the context of their request", async () => {
          const orders = connect();
          const { order } = await orders.placeOrder({ item: "apple", quantity: 1 }, { headers: ADA });
          const id = order?.id ?? 0n;
          const calls = Array.from({ length: 20 }, (_, index) =>
            orders.getOrder({ id }, { headers: { "x-tenant": index % 2 === 0 ? "Ada" : "Bob" } }).then(
              (response) => response.order?.item,
              (error) => ConnectError.from(error).code,
            ),
          );
          assert.deepEqual(await Promise.all(calls), Array(10).fill(["apple", Code.NotFound]).flat());
        });

        test("an error has its details", async () => {
          const error = await rejection(connect().placeOrder({ item: "apple", quantity: 101 }));
          assert.equal(error.code, Code.FailedPrecondition);
          assert.equal(error.rawMessage, "101 of apple are more than 100");
          assert.deepEqual(
            error.findDetails(StockSchema).map(({ item, left }) => [item, left]),
            [["apple", 100]],
          );
        });

        test("streams have the context of their request in each step", async () => {
          const { orders } = await connect().placeMany(requests("apple", "pear"), { headers: ADA });
          assert.deepEqual(
            orders.map(({ item }) => item),
            ["apple", "pear"],
          );
          const id = orders[1]?.id ?? 0n;
          const steps: string[] = [];
          for await (const { step } of connect().trackOrder({ id }, { headers: ADA })) steps.push(step);
          assert.deepEqual(steps, ["packed", "sent", "delivered"]);
          const other = connect()
            .trackOrder({ id }, { headers: { "x-tenant": "Bob" } })
            [Symbol.asyncIterator]();
          assert.equal((await rejection(other.next())).code, Code.NotFound);
        });

        test("a deadline and the client end a stream", async () => {
          const { order } = await connect().placeOrder({ item: "apple", quantity: 1 }, { headers: ADA });
          const request = { id: order?.id ?? 0n, pauseMs: 60_000 };
          const late = connect().trackOrder(request, { headers: ADA, timeoutMs: 100 })[Symbol.asyncIterator]();
          assert.equal((await late.next()).value?.step, "packed");
          assert.equal((await rejection(late.next())).code, Code.DeadlineExceeded);

          const cancel = new AbortController();
          const options = { headers: ADA, signal: cancel.signal };
          const call = connect().trackOrder(request, options)[Symbol.asyncIterator]();
          assert.equal((await call.next()).value?.step, "packed");
          cancel.abort();
          assert.equal((await rejection(call.next())).code, Code.Canceled);
        });

        test("compressed messages are understood", async () => {
          const orders = connect({ sendCompression: compressionGzip });
          const item = "la".repeat(2_000);
          assert.equal((await orders.placeOrder({ item, quantity: 1 }, { headers: ADA })).order?.item, item);
        });
      });
    }

    test("each header of a response is sent once", async () => {
      const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
      const headers = { "content-type": "application/json", origin: "https://orders.example" };
      const url = `${baseUrl}/orders.v1.OrdersService/PlaceOrder`;
      http.request(url, { method: "POST", headers, agent: false }, resolve).on("error", reject).end("{}");
      const response = await promise;
      await response.toArray();
      const names = response.rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
      assert.deepEqual(names, [...new Set(names)]);
      assert.equal(response.headers["access-control-allow-origin"], "https://orders.example");
    });

    test("the controller keeps Nest's parser and errors", async () => {
      const body = JSON.stringify({ item: "pear", quantity: 2 });
      const headers = { ...ADA, "content-type": "application/json" };
      const placed = await fetch(`${baseUrl}/orders`, { method: "POST", headers, body });
      assert.equal(placed.status, 201);
      const unknown = await fetch(`${baseUrl}/orders/999`);
      assert.equal(unknown.status, 404);
      assert.equal((await unknown.json()).message, "order 999 does not exist");
      const method = await fetch(`${baseUrl}/orders.v1.OrdersService/Unknown`, { method: "POST", headers, body: "{}" });
      assert.equal((await method.json()).message, "Cannot POST /orders.v1.OrdersService/Unknown");
    });
  });

  test(`${file} ends after the calls in flight when it gets SIGTERM`, async (t) => {
    const [server, baseUrl] = await startServer(file);
    t.after(() => server.kill("SIGKILL"));
    const exit = once(server, "exit");
    const nodeOptions = { agent: false } as const; // connections end with their calls
    const orders = createClient(OrdersService, createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions }));
    const { order } = await orders.placeOrder({ item: "apple", quantity: 1 }, { headers: ADA });
    const request = { id: order?.id ?? 0n, pauseMs: 100 };
    const call = orders.trackOrder(request, { headers: ADA })[Symbol.asyncIterator]();
    assert.equal((await call.next()).value?.step, "packed");
    server.kill("SIGTERM");
    assert.equal((await call.next()).value?.step, "sent");
    assert.equal((await call.next()).value?.step, "delivered");
    assert.equal((await call.next()).done, true);
    assert.deepEqual(await exit, [null, "SIGTERM"]); // Nest sends itself the signal again when it has closed
  });
}

/** Starts a server. Resolves with its process and address when it listens. */
async function startServer(file: string): Promise<[ChildProcess, string]> {
  const child = spawn(process.execPath, [join(__dirname, file)], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  return [child, String(line).replace("listening on ", "")];
}

async function* requests(...items: string[]) {
  for (const item of items) yield { item, quantity: 1 };
}

async function rejection(promise: Promise<unknown>): Promise<ConnectError> {
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  assert.ok(error instanceof ConnectError, `${error} is a ConnectError`);
  return error;
}
