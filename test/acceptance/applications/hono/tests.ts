/** Runs the same tests on both servers, over HTTP/1.1 and HTTP/2, by clients of every protocol. */
import assert from "node:assert/strict";
import * as http from "node:http";
import * as http2 from "node:http2";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ViolationsSchema } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { type RunningServer, startServer } from "../../../../examples/start-server.ts";
import { type PersonSchema, SignupService } from "./gen/signup/v1/signup_pb.ts";

interface Options {
  readonly http1: string;
  readonly http2: string;
  readonly sendCompression?: typeof compressionGzip;
  readonly compressMinBytes?: number;
}

const CLIENTS: Readonly<Record<string, (options: Options) => Transport>> = {
  "Connect, JSON, HTTP/1.1": ({ http1, ...options }) =>
    createConnectTransport({ ...options, baseUrl: http1, httpVersion: "1.1", useBinaryFormat: false }),
  "Connect, protobuf, HTTP/1.1": ({ http1, ...options }) =>
    createConnectTransport({ ...options, baseUrl: http1, httpVersion: "1.1" }),
  "Connect by GET, HTTP/1.1": ({ http1, ...options }) =>
    createConnectTransport({ ...options, baseUrl: http1, httpVersion: "1.1", useHttpGet: true }),
  "gRPC-Web, HTTP/1.1": ({ http1, ...options }) =>
    createGrpcWebTransport({ ...options, baseUrl: http1, httpVersion: "1.1" }),
  "Connect, JSON, HTTP/2": ({ http2, ...options }) =>
    createConnectTransport({ ...options, baseUrl: http2, httpVersion: "2", useBinaryFormat: false }),
  "gRPC-Web, HTTP/2": ({ http2, ...options }) =>
    createGrpcWebTransport({ ...options, baseUrl: http2, httpVersion: "2" }),
  "gRPC, HTTP/2": ({ http2, ...options }) => createGrpcTransport({ ...options, baseUrl: http2 }),
};

/** The servers, with the number of ports that each has. */
const SERVERS = { "before.ts": 2, "server.ts": 1 };

for (const [file, count] of Object.entries(SERVERS)) {
  describe(file, () => {
    let server: RunningServer;
    const urls = { http1: "", http2: "" };
    before(async () => {
      server = await startServer(file, { count });
      Object.assign(urls, { http1: server.urls.at(0), http2: server.urls.at(-1) });
    });
    after(() => server[Symbol.asyncDispose]());

    for (const [name, createTransport] of Object.entries(CLIENTS)) {
      describe(name, () => {
        const connect = (options: Partial<Options> = {}) =>
          createClient(SignupService, createTransport({ ...urls, ...options }));

        test("valid requests pass the interceptors", async () => {
          let timing: string | null = null;
          const onHeader = (header: Headers) => {
            timing = header.get("server-timing");
          };
          const { count } = await connect().signUp({ person: person(name, "Ada") }, { onHeader });
          assert.ok(count > 0);
          assert.match(String(timing), /^rpc;dur=/);
          assert.equal((await connect().getPerson({ email: emailOf(name, "Ada") })).person?.name, `Ada of ${name}`);
        });

        test("an invalid request is an invalid_argument with its violations", async () => {
          const error = await rejection(connect().signUp({ person: { email: "ada", name: "", age: 17 } }));
          assert.equal(error.code, Code.InvalidArgument);
          assert.deepEqual(violationsOf(error), ["string.email", "string.min_len", "uint32.gte"]);
          const missing = await rejection(connect().signUp({}));
          assert.deepEqual([missing.code, violationsOf(missing)], [Code.InvalidArgument, ["required"]]);
          const read = await rejection(connect().getPerson({ email: "ada" }));
          assert.deepEqual([read.code, violationsOf(read)], [Code.InvalidArgument, ["string.email"]]);
        });

        test("a compressed request is validated, too", async () => {
          const signup = connect({ sendCompression: compressionGzip, compressMinBytes: 1 });
          await signup.signUp({ person: person(name, "Zoe") });
          const error = await rejection(signup.signUp({ person: { ...person(name, "Zoe"), age: 1 } }));
          assert.deepEqual([error.code, violationsOf(error)], [Code.InvalidArgument, ["uint32.gte"]]);
        });

        test("each message of a stream is validated", async () => {
          const { count } = await connect().importPeople(requests(person(name, "Bob"), person(name, "Cid")));
          assert.ok(count >= 2);
          const found: (string | undefined)[] = [];
          for await (const { person } of connect().findPeople({ prefix: "Bob of" })) found.push(person?.name);
          assert.ok(found.includes(`Bob of ${name}`));

          const error = await rejection(connect().importPeople(requests(person(name, "Dan"), { email: "eve" })));
          assert.equal(error.code, Code.InvalidArgument);
          assert.deepEqual(violationsOf(error), ["string.email", "string.min_len", "uint32.gte"]);
          const call = connect().findPeople({ prefix: "" })[Symbol.asyncIterator]();
          assert.deepEqual(violationsOf(await rejection(call.next())), ["string.min_len"]);
        });
      });
    }

    for (const [version, send] of [
      ["HTTP/1.1", (request: Request) => sendHttp1(urls.http1, request)],
      ["HTTP/2", (request: Request) => sendHttp2(urls.http2, request)],
    ] as const) {
      describe(`Hono over ${version}`, () => {
        test("serves its routes", async () => {
          const { status, headers, text } = await send({ path: "/" });
          assert.deepEqual([status, text, headers.get("x-site")], [200, "Sign up\n", "hono"]);
          assert.match(headers.get("content-type") ?? "", /^text\/plain/);
          const redirect = await send({ path: "/old" });
          assert.deepEqual([redirect.status, redirect.headers.get("location")], [301, "/"]);
          const url = (await send({ path: "/url?a=1" })).text;
          assert.equal(new URL(url).pathname + new URL(url).search, "/url?a=1");
          assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\//);
        });

        test("shares the state of the RPCs", async () => {
          const transport = createConnectTransport({ baseUrl: urls.http1, httpVersion: "1.1" });
          await createClient(SignupService, transport).signUp({ person: person("Hono", "Ada") });
          const { status, text } = await send({ path: `/people/${emailOf("Hono", "Ada")}` });
          assert.deepEqual([status, JSON.parse(text)], [200, { name: "Ada of Hono", age: 36 }]);
        });

        test("reads bodies", async () => {
          const body = "grüezi ".repeat(20_000);
          const { status, headers, text } = await send({ method: "POST", path: "/echo?q=a%20b", body });
          assert.deepEqual([status, headers.get("x-query"), text === body], [200, "a b", true]);
        });

        test("sends each cookie, and each other header once", async () => {
          const { status, headers, names } = await send({ path: "/cookies" });
          assert.equal(status, 204);
          assert.deepEqual(
            headers.getSetCookie().map((cookie) => cookie.split(";")[0]),
            ["seen=yes", "old="],
          );
          const others = names.filter((name) => name !== "set-cookie");
          assert.deepEqual(others, [...new Set(others)]);
        });

        test("streams a response", async () => {
          assert.equal((await send({ path: "/letters" })).text, "abc");
        });

        // Hono sends events with a header of HTTP/1.1, at which node:http2 throws and the process of before.ts ends.
        if (file === "server.ts" || version === "HTTP/1.1")
          test("sends events", async () => {
            const { headers, text } = await send({ path: "/events" });
            assert.equal(headers.get("content-type"), "text/event-stream");
            assert.deepEqual(text.match(/event \d/g), ["event 1", "event 2", "event 3"]);
          });

        test("answers its errors itself", async () => {
          assert.deepEqual(problem(await send({ path: "/broken" })), [500, "this route always fails"]);
          assert.deepEqual(problem(await send({ path: "/unknown" })), [404, "/unknown does not exist"]);
          const path = "/signup.v1.SignupService/Unknown";
          const headers = { "content-type": "application/json" };
          const unknown = await send({ method: "POST", path, headers, body: "{}" });
          assert.deepEqual(problem(unknown), [404, `${path} does not exist`]);
          assert.equal((await send({ method: "HEAD", path: "/" })).text, "");
        });
      });
    }
  });

  test(`${file} ends after the requests in flight when it gets SIGTERM`, async () => {
    await using server = await startServer(file, { count });
    const response = sendHttp1(server.urls[0] ?? "", { path: "/letters?ms=200" });
    await sleep(100);
    server.stop();
    assert.equal((await response).text, "abc");
    assert.equal(await server.exit, 0);
  });
}

type PersonInit = MessageInitShape<typeof PersonSchema>;

function person(client: string, name: string): PersonInit {
  return { email: emailOf(client, name), name: `${name} of ${client}`, age: 36 };
}

function emailOf(client: string, name: string): string {
  return `${name}.${client.replaceAll(/\W+/g, "-")}@example.com`;
}

async function* requests(...people: PersonInit[]) {
  for (const person of people) yield { person };
}

/** Returns the rules that a request violates. */
function violationsOf(error: ConnectError): string[] {
  return error.findDetails(ViolationsSchema).flatMap(({ violations }) => violations.map(({ ruleId }) => ruleId));
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
  readonly headers: Headers;
  /** The names of the headers as they were received. A name is there twice if its header was sent twice. */
  readonly names: readonly string[];
  readonly text: string;
}

function problem({ status, text }: Response): [number, string] {
  return [status, JSON.parse(text).message];
}

async function sendHttp1(url: string, { method = "GET", path, headers = {}, body }: Request): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  http.request(new URL(path, url), { method, headers, agent: false }, resolve).on("error", reject).end(body);
  const response = await promise;
  return read(response.statusCode ?? 0, response.rawHeaders, await response.toArray());
}

async function sendHttp2(url: string, { method = "GET", path, headers = {}, body }: Request): Promise<Response> {
  const session = http2.connect(url);
  const stream = session.request({ ":method": method, ":path": path, ...headers });
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; raw: string[] }>();
  stream.on("response", (fields, _flags, raw) => resolve({ status: fields[":status"] ?? 0, raw: raw.slice(2) }));
  stream.on("error", reject).end(body);
  const { status, raw } = await promise;
  const chunks = await stream.toArray();
  session.close();
  return read(status, raw, chunks);
}

function read(status: number, raw: readonly string[], chunks: Buffer[]): Response {
  const fields = raw.flatMap((name, index): [string, string][] =>
    index % 2 === 0 ? [[name, raw[index + 1] ?? ""]] : [],
  );
  const names = fields.map(([name]) => name.toLowerCase());
  return { status, headers: new Headers(fields), names, text: Buffer.concat(chunks).toString() };
}
