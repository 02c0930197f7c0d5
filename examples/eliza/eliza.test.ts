/** Runs the same tests on both servers, by clients of every protocol. */
import assert from "node:assert/strict";
import * as http2 from "node:http2";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, Code, ConnectError, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { type RunningServer, startServer } from "../start-server.ts";
import { AdviceSchema, ElizaService } from "./gen/eliza/v1/eliza_pb.ts";

interface Options {
  readonly http1: string;
  readonly http2: string;
  readonly sendCompression?: typeof compressionGzip;
  readonly interceptors?: Interceptor[];
}

/** Without an agent, a connection ends with its call, and a server that stops does not wait for idle connections. */
const HTTP1 = { httpVersion: "1.1", nodeOptions: { agent: false } } as const;

const CLIENTS: Readonly<Record<string, (options: Options) => Transport>> = {
  "Connect, JSON, HTTP/1.1": ({ http1, ...options }) =>
    createConnectTransport({ ...options, baseUrl: http1, ...HTTP1, useBinaryFormat: false }),
  "Connect, protobuf, HTTP/1.1": ({ http1, ...options }) =>
    createConnectTransport({ ...options, baseUrl: http1, ...HTTP1 }),
  "Connect by GET, HTTP/1.1": ({ http1, ...options }) =>
    createConnectTransport({ ...options, baseUrl: http1, ...HTTP1, useHttpGet: true }),
  "gRPC-Web, HTTP/1.1": ({ http1, ...options }) => createGrpcWebTransport({ ...options, baseUrl: http1, ...HTTP1 }),
  "Connect, JSON, HTTP/2": ({ http2, ...options }) =>
    createConnectTransport({ ...options, baseUrl: http2, httpVersion: "2", useBinaryFormat: false }),
  "Connect, protobuf, HTTP/2": ({ http2, ...options }) =>
    createConnectTransport({ ...options, baseUrl: http2, httpVersion: "2" }),
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
        const connect = (options: Partial<Options> = {}): Client<typeof ElizaService> =>
          createClient(ElizaService, createTransport({ ...urls, ...options }));

        test("Say answers, with metadata in both directions", async () => {
          const metadata: Record<string, string | null> = {};
          const { sentence } = await connect().say(
            { sentence: "Hello!" },
            {
              headers: { "eliza-room": "7" },
              onHeader: (header) => Object.assign(metadata, { room: header.get("eliza-room") }),
              onTrailer: (trailer) => Object.assign(metadata, { mood: trailer.get("eliza-mood") }),
            },
          );
          assert.equal(sentence, "Hello, how are you?");
          assert.deepEqual(metadata, { room: "7", mood: "excited" });
        });

        test("Say fails with a code, a detail and metadata", async () => {
          const error = await rejection(connect().say({ sentence: "" }));
          assert.deepEqual([error.code, error.rawMessage], [Code.InvalidArgument, "say: the sentence is empty"]);
          assert.deepEqual(
            error.findDetails(AdviceSchema).map(({ sentence }) => sentence),
            ["Tell me how you feel."],
          );
          assert.equal(error.metadata.get("eliza-mood"), "patient");
        });

        test("compressed messages are understood, and answered with compressed ones", async () => {
          const encodings: (string | null)[] = [];
          const watch: Interceptor = (next) => async (request) => {
            const response = await next(request);
            encodings.push(response.header.get("content-encoding") ?? response.header.get("grpc-encoding"));
            return response;
          };
          const eliza = connect({ sendCompression: compressionGzip, interceptors: [watch] });
          const { sentence } = await eliza.say({ sentence: "la".repeat(2_000) });
          assert.match(sentence, /(la){2000}/);
          assert.deepEqual(encodings, ["gzip"]);
        });

        test("Introduce streams responses", async () => {
          const sentences: string[] = [];
          for await (const { sentence } of connect().introduce({ name: "Ada", pauseMs: 1 })) sentences.push(sentence);
          assert.deepEqual(sentences, ["Hi Ada, I'm Eliza.", "I listen to people.", "How are you feeling today?"]);
        });

        test("Reflect takes a stream of requests", async () => {
          const { sentences, sentence } = await connect().reflect(requests("Hi", "I am tired"));
          assert.deepEqual([sentences, sentence], [2, 'You began to talk, and ended with "I am tired".']);
        });

        if (name.endsWith("HTTP/2"))
          test("Converse answers each request before the next is sent", async () => {
            const answered = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
            async function* talk() {
              yield { sentence: "Hi" };
              await answered[0]?.promise;
              yield { sentence: "I am tired" };
              await answered[1]?.promise;
            }
            const sentences: string[] = [];
            for await (const { sentence } of connect().converse(talk()))
              answered[sentences.push(sentence) - 1]?.resolve();
            assert.deepEqual(sentences, ["Hello, how are you?", 'Why do you say "I am tired"?']);
          });

        test("a deadline ends a call, and its handler", async () => {
          const { code } = await rejection(
            drain(connect().introduce({ name: "Ada", pauseMs: 60_000 }, { timeoutMs: 100 })),
          );
          assert.equal(code, Code.DeadlineExceeded);
          await allTalksEnd(urls.http1);
        });

        test("a cancelled call ends its handler", async () => {
          const cancel = new AbortController();
          const stream = connect().introduce({ name: "Ada", pauseMs: 60_000 }, { signal: cancel.signal });
          const call = stream[Symbol.asyncIterator]();
          assert.equal((await call.next()).value?.sentence, "Hi Ada, I'm Eliza.");
          cancel.abort();
          assert.equal((await rejection(call.next())).code, Code.Canceled);
          await allTalksEnd(urls.http1);
        });
      });
    }

    test("other paths are served over both HTTP versions", async () => {
      const response = await fetch(urls.http1);
      assert.equal(response.status, 200);
      assert.match(await response.text(), /^Eliza is in \d+ talks\n$/);
      assert.equal((await fetch(`${urls.http1}/unknown`)).status, 404);
      assert.deepEqual(await getOverHttp2(urls.http2, "/unknown"), { status: 404, text: "not found\n" });
      assert.equal((await getOverHttp2(urls.http2, "/")).status, 200);
    });
  });

  test(`${file} ends after the calls in flight when it gets SIGTERM`, async () => {
    await using server = await startServer(file, { count });
    const options = { http1: server.urls.at(0) ?? "", http2: server.urls.at(-1) ?? "" };
    const calls = Object.values(CLIENTS).map((createTransport) =>
      createClient(ElizaService, createTransport(options))
        .introduce({ name: "Ada", pauseMs: 300 })
        [Symbol.asyncIterator](),
    );
    for (const call of calls) assert.equal((await call.next()).value?.sentence, "Hi Ada, I'm Eliza.");
    server.stop();
    for (const call of calls)
      assert.equal(
        (await drain({ [Symbol.asyncIterator]: () => call })).at(-1)?.sentence,
        "How are you feeling today?",
      );
    assert.equal(await server.exit, 0);
  });
}

async function* requests(...sentences: string[]) {
  for (const sentence of sentences) yield { sentence };
}

async function drain<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const messages: T[] = [];
  for await (const message of stream) messages.push(message);
  return messages;
}

async function rejection(promise: Promise<unknown>): Promise<ConnectError> {
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  assert.ok(error instanceof ConnectError, `${error} is a ConnectError`);
  return error;
}

/** Waits until no handler of a stream runs. */
async function allTalksEnd(url: string): Promise<void> {
  while ((await (await fetch(url)).text()) !== "Eliza is in 0 talks\n") await sleep(10);
}

async function getOverHttp2(url: string, path: string): Promise<{ status: unknown; text: string }> {
  const session = http2.connect(url);
  const request = session.request({ ":path": path });
  const { promise: status, resolve, reject } = Promise.withResolvers<unknown>();
  request.on("response", (headers) => resolve(headers[":status"])).on("error", reject);
  const text = (await request.toArray()).join("");
  session.close();
  return { status: await status, text };
}
