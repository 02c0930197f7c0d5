/** An application on the package: serves in every way, calls itself, and exits with 0 if all responses are right. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createServer, HealthStatus, LIMITS, readTlsFiles, type Server } from "@connect-sum/server";
import { nodeAdapter } from "@connect-sum/server/node";
import { callGrpc, callJson, getOverTls } from "./calls.js";
import { AddRequestSchema, AddResponseSchema, RecordRequestSchema } from "./calls_pb.js";
import { RECORD_MS, routes } from "./routes.js";

const ADD = "/calls.v1.CallService/Add";
const REQUEST = toBinary(AddRequestSchema, create(AddRequestSchema, { a: 2, b: 3 }));

async function main(): Promise<void> {
  await plain();
  await tls();
  await drain();
  await adapter();
  misuse();
  console.log(`ok ${process.version}`);
}

async function listen(server: Server): Promise<string> {
  const { port } = await server.listen({ port: 0 });
  return `localhost:${port}`;
}

/** Calls each protocol, health, reflection and the fallback, without TLS. */
async function plain(): Promise<void> {
  const health = new HealthStatus();
  const server = createServer({ routes, health, fallback: { fetch: () => new Response("fallback") } });
  const url = `http://${await listen(server)}`;
  assert.deepEqual(await callJson(url, ADD, { a: 2, b: 3 }), [200, { sum: 5 }]);
  await checkGrpc(url);
  const { messages } = await callGrpc(
    url,
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    Buffer.from("3a00", "hex"),
  );
  assert.match(String(messages[0]), /calls\.v1\.CallService/);
  assert.equal(await (await fetch(`${url}/healthz`)).text(), "serving\n");
  health.set("", "not-serving");
  const check = await callGrpc(url, "/grpc.health.v1.Health/Check", new Uint8Array());
  assert.deepEqual(check, { status: "0", messages: [Buffer.from("0802", "hex")] });
  assert.equal(await (await fetch(`${url}/other`)).text(), "fallback");
  assert.equal(await server.close({ idleMs: 0 }), 0);
}

async function checkGrpc(url: string, ca?: string): Promise<void> {
  const { status, messages } = await callGrpc(url, ADD, REQUEST, ca);
  assert.equal(status, "0");
  assert.equal(fromBinary(AddResponseSchema, messages[0] ?? new Uint8Array()).sum, 5);
}

async function tls(): Promise<void> {
  const server = createServer({ routes, tls: await readTlsFiles({ cert: "cert.pem", key: "key.pem" }) });
  const url = `https://${await listen(server)}`;
  const ca = readFileSync("cert.pem", "utf8");
  await checkGrpc(url, ca);
  assert.equal(await getOverTls(`${url}/healthz`, ca), "serving\n");
  assert.equal(await server.close({ idleMs: 0 }), 0);
}

/** Closes a server during a call, which completes. */
async function drain(): Promise<void> {
  const server = createServer({ routes });
  const url = `http://${await listen(server)}`;
  const call = callGrpc(
    url,
    "/calls.v1.CallService/Record",
    toBinary(RecordRequestSchema, create(RecordRequestSchema, { a: 1 })),
  );
  await new Promise((resolve) => setTimeout(resolve, RECORD_MS / 2));
  assert.equal(await server.close(), 0);
  assert.equal((await call).status, "0");
  await assert.rejects(fetch(url));
}

async function adapter(): Promise<void> {
  const server = createHttpServer(nodeAdapter({ routes })).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  assert.deepEqual(await callJson(url, ADD, { a: 2, b: 3 }), [200, { sum: 5 }]);
  server.close();
}

function misuse(): void {
  assert.throws(() => createServer({ routes, limits: { connections: -1 } }), RangeError);
  assert.equal(LIMITS.connections.unit, "connections");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
