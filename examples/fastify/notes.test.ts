/** Runs the same tests on both servers, over HTTP/1.1 and HTTP/2, by clients of every protocol. */
import assert from "node:assert/strict";
import * as http from "node:http";
import * as http2 from "node:http2";
import { after, before, describe, test } from "node:test";
import { fastifyPlugin } from "@connect-sum/server/node";
import { Code, ConnectError, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { fastifyConnectPlugin } from "@connectrpc/connect-fastify";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { type RunningServer, startServer } from "../start-server.ts";
import { createApp } from "./app.ts";
import { NotesService } from "./gen/notes/v1/notes_pb.ts";
import { options } from "./notes.ts";

interface Options {
  readonly baseUrl: string;
  readonly httpVersion: "1.1" | "2";
  readonly interceptors?: Interceptor[];
}

const CLIENTS: Readonly<Record<string, (options: Options) => Transport>> = {
  "Connect with JSON": (options) => createConnectTransport({ ...options, useBinaryFormat: false }),
  "Connect with protobuf": createConnectTransport,
  "Connect by GET": (options) => createConnectTransport({ ...options, useHttpGet: true }),
  "gRPC-Web": createGrpcWebTransport,
  gRPC: createGrpcTransport,
};

for (const plugin of [fastifyConnectPlugin, fastifyPlugin]) {
  test(`${plugin.name} serves the calls of inject, which have no socket, without a delay`, async () => {
    const app = await createApp();
    await app.register(plugin, options);
    const url = "/notes.v1.NotesService/ListNotes";
    const headers = { "content-type": "application/json" };
    const times: number[] = [];
    for (let call = 0; call < 5; call++) {
      const start = performance.now();
      const response = await app.inject({ method: "POST", url, headers, payload: "{}" });
      times.push(performance.now() - start);
      assert.deepEqual([response.statusCode, response.json().code], [401, "unauthenticated"]);
    }
    assert.ok(Math.min(...times) < 40, `${times} ms`);
    await app.close();
  });
}

for (const file of ["before.ts", "server.ts"]) {
  for (const httpVersion of ["1.1", "2"] as const) {
    const env = { HTTP2: httpVersion === "2" ? "on" : "off" };

    describe(`${file} over HTTP/${httpVersion}`, () => {
      let server: RunningServer;
      let baseUrl = "";
      before(async () => {
        server = await startServer(file, { env });
        baseUrl = server.urls[0] ?? "";
      });
      after(() => server[Symbol.asyncDispose]());

      const send = (request: Request) => (httpVersion === "2" ? sendHttp2 : sendHttp1)(baseUrl, request);
      const login = (user: string) => logIn(send, user);

      for (const [name, createTransport] of Object.entries(CLIENTS)) {
        if (name === "gRPC" && httpVersion === "1.1") continue; // gRPC needs HTTP/2
        describe(name, () => {
          const connect = (...interceptors: Interceptor[]) =>
            createClient(NotesService, createTransport({ baseUrl, httpVersion, interceptors }));

          test("a call has the user of the session", async () => {
            const ada = connect(withHeader("cookie", await login(`Ada ${name}`)));
            assert.equal((await ada.addNote({ text: "first" })).count, 1);
            assert.equal((await ada.addNote({ text: "second" })).count, 2);
            assert.deepEqual((await ada.listNotes({})).texts, ["first", "second"]);
            assert.deepEqual((await ada.listNotes({ limit: 1 })).texts, ["second"]);
            const bob = connect(withHeader("cookie", await login(`Bob ${name}`)));
            assert.deepEqual((await bob.listNotes({})).texts, []);
          });

          test("without a session, a call is unauthenticated", async () => {
            assert.equal((await rejection(connect().addNote({ text: "mine" }))).code, Code.Unauthenticated);
            assert.equal((await rejection(connect().listNotes({}))).code, Code.Unauthenticated);
          });

          test("a stream has the user of the session, and ends when the client cancels", async () => {
            const notes = connect(withHeader("cookie", await login(`Eve ${name}`)));
            await notes.addNote({ text: "old" });
            const cancel = new AbortController();
            const call = notes.watchNotes({}, { signal: cancel.signal })[Symbol.asyncIterator]();
            assert.equal((await call.next()).value?.text, "old");
            await notes.addNote({ text: "new" });
            assert.equal((await call.next()).value?.text, "new");
            cancel.abort();
            assert.equal((await rejection(call.next())).code, Code.Canceled);
          });

          test("hooks run for calls: they set headers, count responses and refuse calls", async () => {
            const path = "/notes.v1.NotesService/ListNotes";
            const count = async () => JSON.parse((await send({ path: "/stats" })).text)[path] ?? 0;
            const counted = await count();
            let id: string | null = null;
            const cookie = await login(`Max ${name}`);
            await connect().listNotes(
              {},
              { headers: { cookie }, onHeader: (header) => (id = header.get("x-request-id")) },
            );
            assert.match(String(id), /^req-/);
            while ((await count()) !== counted + 1); // the client can have the response before the hook runs

            const refused = await rejection(connect().listNotes({}, { headers: { cookie, "x-api-key": "revoked" } }));
            assert.equal(refused.code, Code.Unauthenticated);
            assert.notEqual(refused.rawMessage, "log in first");
          });
        });
      }

      test("each header of a response is sent once", async () => {
        const headers = { "content-type": "application/json", origin: "https://notes.example" };
        const cookie = await login("Ada");
        for (const [path, contentType, status] of [
          ["AddNote", "application/json", 200],
          ["AddNote", "text/plain", 415],
          ["ListNotes", "application/grpc-web+json", 200],
        ] as const) {
          const response = await send({
            method: "POST",
            path: `/notes.v1.NotesService/${path}`,
            headers: { ...headers, cookie, "content-type": contentType },
            body: "{}",
          });
          assert.equal(response.status, status);
          const names = response.headers.map(([name]) => name.toLowerCase());
          assert.deepEqual(names, [...new Set(names)]);
          for (const name of ["content-security-policy", "access-control-allow-origin", "x-request-id"])
            assert.ok(names.includes(name), `${path} has ${name}`);
        }
      });

      test("a preflight is answered by @fastify/cors", async () => {
        const response = await send({
          method: "OPTIONS",
          path: "/notes.v1.NotesService/AddNote",
          headers: { origin: "https://notes.example", "access-control-request-method": "POST" },
        });
        const headers = new Headers(response.headers);
        assert.equal(response.status, 204);
        assert.equal(headers.get("access-control-allow-origin"), "https://notes.example");
        assert.match(headers.get("access-control-allow-headers") ?? "", /Connect-Protocol-Version/);
      });

      test("other routes keep Fastify's parser and its errors", async () => {
        const headers = { "content-type": "application/json" };
        assert.equal((await send({ method: "POST", path: "/login", headers, body: "{" })).status, 400);
        const unknown = await send({ method: "POST", path: "/notes.v1.NotesService/Unknown", headers, body: "{}" });
        assert.equal(unknown.status, 404);
        assert.equal(JSON.parse(unknown.text).error, "Not Found");
      });
    });

    test(`${file} over HTTP/${httpVersion} ends streams with the reason when it gets SIGTERM`, async () => {
      await using server = await startServer(file, { env });
      const baseUrl = server.urls[0] ?? "";
      const cookie = await logIn((request) => (httpVersion === "2" ? sendHttp2 : sendHttp1)(baseUrl, request), "Ada");
      const notes = createClient(NotesService, createConnectTransport({ baseUrl, httpVersion }));
      await notes.addNote({ text: "old" }, { headers: { cookie } });
      const call = notes.watchNotes({}, { headers: { cookie } })[Symbol.asyncIterator]();
      assert.equal((await call.next()).value?.text, "old");
      server.stop();
      const error = await rejection(call.next());
      assert.deepEqual([error.code, error.rawMessage], [Code.Unavailable, "the server is stopping"]);
      assert.equal(await server.exit, 0);
    });
  }
}

/** Logs in by the route of Fastify. Returns the cookie of the session. */
async function logIn(send: (request: Request) => Promise<Response>, user: string): Promise<string> {
  const headers = { "content-type": "application/json" };
  const response = await send({ method: "POST", path: "/login", headers, body: JSON.stringify({ user }) });
  assert.equal(response.status, 200);
  return new Headers(response.headers).get("set-cookie")?.split(";")[0] ?? "";
}

function withHeader(name: string, value: string): Interceptor {
  return (next) => (request) => {
    request.header.set(name, value);
    return next(request);
  };
}

async function rejection(promise: Promise<unknown>): Promise<ConnectError> {
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  assert.ok(error instanceof ConnectError, `${error} is a ConnectError`);
  return error;
}

interface Request {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

interface Response {
  readonly status: number;
  /** The headers as they were received, with those that were sent twice. */
  readonly headers: [name: string, value: string][];
  readonly text: string;
}

async function sendHttp1(url: string, { method = "GET", path, headers, body }: Request): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  http.request(url, { method, path, headers, agent: false }, resolve).on("error", reject).end(body);
  const response = await promise;
  const text = (await response.toArray()).join("");
  return { status: response.statusCode ?? 0, headers: pairs(response.rawHeaders), text };
}

async function sendHttp2(url: string, { method = "GET", path, headers, body }: Request): Promise<Response> {
  const session = http2.connect(url);
  const stream = session.request({ ":method": method, ":path": path, ...headers });
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; raw: string[] }>();
  stream.on("response", (fields, _flags, raw) => resolve({ status: fields[":status"] ?? 0, raw }));
  stream.on("error", reject).end(body);
  const { status, raw } = await promise;
  const text = (await stream.toArray()).join("");
  session.close();
  return { status, headers: pairs(raw).filter(([name]) => !name.startsWith(":")), text };
}

function pairs(raw: readonly string[]): [string, string][] {
  return raw.flatMap((name, index) => (index % 2 === 0 ? [[name, raw[index + 1] ?? ""] as [string, string]] : []));
}
