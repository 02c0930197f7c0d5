/** Deadlines, cancellation, gates, limits and shutdown of streams, with and without the fast path. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { StreamService } from "../../gen/streams/v1/streams_pb.ts";
import { HTTP_VERSIONS, type HttpVersion } from "../../support/http.ts";
import { Echo, echoRoutes } from "../../support/protos.ts";
import { turns } from "../../support/raw.ts";
import { startServer } from "../../support/server.ts";
import { streamRoutes } from "../../support/stream-service.ts";

const WAYS = [true, false].flatMap((fastPath) => HTTP_VERSIONS.map((http) => ({ fastPath, http })));

function transport(url: string, http: HttpVersion) {
  return createConnectTransport({ baseUrl: url, httpVersion: http === "HTTP/2" ? "2" : "1.1" });
}

/** A stream that begins and then does not end before `end` is called. */
class Unended {
  readonly begun: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly ended: PromiseWithResolvers<void> = Promise.withResolvers();

  run(): Promise<void> {
    this.begun.resolve();
    return this.ended.promise;
  }

  /** Leaves the stream or lets it time out, and checks that it counts in `callsInFlight` until it ends. */
  async leave(client: Client<typeof Echo>, callsInFlight: number, timesOut = false): Promise<void> {
    const leave = new AbortController();
    const options = timesOut ? { headers: { "connect-timeout-ms": "300" } } : { signal: leave.signal };
    const left = Array.fromAsync(client.repeat({ value: "left" }, options));
    await this.begun.promise;
    if (!timesOut) leave.abort();
    await assert.rejects(left, { code: timesOut ? Code.DeadlineExceeded : Code.Canceled });
    await sleep(20);
    const timeoutMs = callsInFlight === 1 ? 10_000 : 30;
    const code = await Array.fromAsync(client.repeat({ value: "next" }, { timeoutMs })).catch(({ code }) => code);
    assert.equal(code === Code.Unavailable, callsInFlight === 1, `the next stream ended with ${code}`);
    this.ended.resolve();
    await sleep(5);
    assert.deepEqual(await Array.fromAsync(client.repeat({ value: "next" })), []);
  }
}

/** Yields "first", and then waits for `end`. */
async function* until(end: Promise<void>) {
  yield { value: "first" };
  await end;
}

for (const { fastPath, http } of WAYS) {
  const way = `over ${http}, ${fastPath ? "with" : "without"} the fast path`;

  test(`at its deadline, a stream that waits for a message ends with deadline_exceeded ${way}`, async (t) => {
    const reasons: unknown[] = [];
    const { url } = await startServer(t, {
      fastPath,
      routes: echoRoutes({
        async join(requests, { signal }) {
          signal.addEventListener("abort", () => reasons.push(signal.reason));
          for await (const _ of requests);
          return { value: "late" };
        },
      }),
    });
    const end = Promise.withResolvers<void>();
    const client = createClient(Echo, transport(url, http));
    // The client adds its timeout to the request, but does not end the call itself.
    const call = client.join(until(end.promise), { headers: { "connect-timeout-ms": "300" } });
    await assert.rejects(call, { code: Code.DeadlineExceeded });
    assert.match(String(reasons), /deadline_exceeded/);
    end.resolve();
  });

  test(`when a client leaves, the signal is aborted, reading throws canceled, and the handler is told to stop ${way}`, async (t) => {
    const seen: unknown[] = [];
    const stopped = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
    const { url } = await startServer(t, {
      fastPath,
      limits: { callsInFlight: 2 },
      routes: echoRoutes({
        async *repeat(request, { signal }) {
          try {
            yield request;
            await once(signal, "abort");
            seen.push(signal.reason);
            yield request;
          } finally {
            stopped[0].resolve();
          }
        },
        async join(requests) {
          try {
            for await (const _ of requests);
          } catch (error) {
            seen.push(error);
          }
          stopped[1].resolve();
          return { value: "" };
        },
      }),
    });
    const client = createClient(Echo, transport(url, http));
    const leave = new AbortController();
    const { signal } = leave;
    const repeated = client.repeat({ value: "a" }, { signal })[Symbol.asyncIterator]();
    assert.equal((await repeated.next()).value?.value, "a");
    const end = Promise.withResolvers<void>();
    const join = client.join(until(end.promise), { signal });
    await sleep(20);
    leave.abort();
    await assert.rejects(join, { code: Code.Canceled });
    await Promise.all(stopped.map(({ promise }) => promise));
    end.resolve();
    // Over HTTP/2, this client ends its request before it cancels the call.
    const expected = Array(http === "HTTP/2" ? 1 : 2).fill("ConnectError: [canceled] the caller went away");
    assert.deepEqual(seen.map(String), expected);
    await turns(5);
    // Neither call is in flight any more.
    const last = new AbortController();
    const again = client.repeat({ value: "b" }, { signal: last.signal })[Symbol.asyncIterator]();
    assert.equal((await again.next()).value?.value, "b");
    last.abort();
    await assert.rejects(again.next(), { code: Code.Canceled });
  });

  test(`a request gate rejects a stream before its handler runs, and a deadline ends a gate that waits ${way}`, async (t) => {
    let ran = 0;
    const { url } = await startServer(t, {
      fastPath,
      routes: echoRoutes(
        {
          async *repeat(request) {
            ran++;
            yield request;
          },
        },
        {
          async requestGate({ requestHeader }) {
            if (requestHeader.get("x-gate") === "wait") await new Promise(() => {});
            if (requestHeader.get("x-gate") === "shut") throw new ConnectError("shut", Code.PermissionDenied);
          },
        },
      ),
    });
    const client = createClient(Echo, transport(url, http));
    const repeat = async (headers: Record<string, string>) => {
      const values: string[] = [];
      for await (const { value } of client.repeat({ value: "a" }, { headers })) values.push(value);
      return values;
    };
    await assert.rejects(repeat({ "x-gate": "shut" }), { code: Code.PermissionDenied, rawMessage: "shut" });
    const late = { "x-gate": "wait", "connect-timeout-ms": "30" };
    await assert.rejects(repeat(late), { code: Code.DeadlineExceeded });
    assert.equal(ran, 0);
    assert.deepEqual(await repeat({}), ["a"]);
  });

  test(`a request gate that throws an error without a promise rejects a stream ${way}`, async (t) => {
    const { url } = await startServer(t, {
      fastPath,
      routes: echoRoutes(
        { repeat: async function* () {} },
        {
          requestGate() {
            throw new ConnectError("shut", Code.PermissionDenied);
          },
        },
      ),
    });
    const repeat = Array.fromAsync(createClient(Echo, transport(url, http)).repeat({ value: "a" }));
    await assert.rejects(repeat, { code: Code.PermissionDenied, rawMessage: "shut" });
    await turns(); // An unhandled rejection would fail the test.
  });

  for (const callsInFlight of [1, Number.POSITIVE_INFINITY]) {
    const outcome = callsInFlight === 1 ? "is in flight until then" : "does not count without callsInFlight";

    for (const timesOut of [false, true]) {
      const end = timesOut ? "that times out" : "whose client leaves";
      test(`a stream ${end} before its gate ends ${outcome} ${way}`, async (t) => {
        const gate = new Unended();
        const { url } = await startServer(t, {
          fastPath,
          limits: { callsInFlight },
          routes: echoRoutes({ repeat: async function* () {} }, { requestGate: () => gate.run() }),
        });
        await gate.leave(createClient(Echo, transport(url, http)), callsInFlight, timesOut);
      });
    }

    if (!fastPath) continue; // Connect's handlers do not wait for the clean-up.
    test(`a stream whose client leaves before its handler has cleaned up ${outcome} ${way}`, async (t) => {
      const cleanUp = new Unended();
      const { url } = await startServer(t, {
        fastPath,
        limits: { callsInFlight },
        routes: echoRoutes({
          async *repeat(request, { signal }) {
            try {
              if (request.value === "next") return;
              cleanUp.begun.resolve();
              await once(signal, "abort");
              yield request;
            } finally {
              if (request.value !== "next") await cleanUp.run();
            }
          },
        }),
      });
      await cleanUp.leave(createClient(Echo, transport(url, http)), callsInFlight);
    });
  }

  test(`an exception of a stream is logged, and its client gets "internal error" ${way}`, async (t) => {
    const { url, log } = await startServer(t, {
      fastPath,
      routes: echoRoutes({
        async *repeat(request) {
          yield request;
          throw new TypeError("a secret");
        },
      }),
    });
    const values: string[] = [];
    const repeat = async () => {
      for await (const { value } of createClient(Echo, transport(url, http)).repeat({ value: "a" })) values.push(value);
    };
    await assert.rejects(repeat(), { code: Code.Internal, rawMessage: "internal error" });
    assert.deepEqual(values, ["a"]);
    assert.match(log.splice(0).join("\n"), /^handle \/fixture\.Echo\/Repeat by connect: TypeError: a secret/);
  });

  test(`a slow handler stops a client that sends faster ${way}`, async (t) => {
    const end = Promise.withResolvers<void>();
    const { url } = await startServer(t, {
      fastPath,
      routes: echoRoutes({
        async join(requests) {
          let count = 0;
          for await (const _ of requests) if (count++ === 0) await end.promise;
          return { value: String(count) };
        },
      }),
    });
    let sent = 0;
    const messages = (async function* () {
      for (; sent < 400; sent++) yield { value: "x".repeat(50_000) };
    })();
    const join = createClient(Echo, transport(url, http)).join(messages);
    await sleep(200);
    assert.ok(sent < 300, `${sent} messages were sent before the second was read`);
    end.resolve();
    assert.equal((await join).value, "400");
  });

  test(`a message that does not fit into the memory for messages is rejected ${way}`, async (t) => {
    for (const bufferedBytes of [2_000_000, Number.POSITIVE_INFINITY]) {
      const { url, limits } = await startServer(t, { fastPath, routes: streamRoutes, limits: { bufferedBytes } });
      const client = createClient(StreamService, transport(url, http));
      const data = new Uint8Array(3_000_000);
      const upload = client.upload(
        (async function* () {
          yield { data };
        })(),
      );
      if (bufferedBytes === Number.POSITIVE_INFINITY) assert.equal((await upload).bytes, 3_000_000n);
      else {
        await assert.rejects(upload);
        assert.match(limits.join("\n"), /^limit bufferedBytes/);
      }
    }
  });
}

for (const fastPath of [true, false]) {
  const way = fastPath ? "with the fast path" : "without the fast path";

  test(`an interceptor may replace the messages of a stream, ${way}`, async (t) => {
    const upper: Interceptor = (next) => async (request) => {
      if (!request.stream) return next(request);
      const response = await next({ ...request, message: mapped(request.message, (value) => `${value}!`) });
      return response.stream
        ? { ...response, message: mapped(response.message, (value) => value.toUpperCase()) }
        : response;
    };
    const { url } = await startServer(t, {
      fastPath,
      interceptors: [upper],
      routes: echoRoutes({
        async *repeat({ value }) {
          yield { value };
          yield {}; // An interceptor gets complete messages.
        },
        async *chat(requests) {
          yield* requests;
        },
      }),
    });
    const client = createClient(Echo, createGrpcTransport({ baseUrl: url }));
    assert.deepEqual(await Array.fromAsync(client.repeat({ value: "a" }), ({ value }) => value), ["A!", ""]);
    const messages = (async function* () {
      yield { value: "b" };
      yield { value: "c" };
    })();
    assert.deepEqual(await Array.fromAsync(client.chat(messages), ({ value }) => value), ["B!", "C!"]);
  });

  test(`a handler that reads ahead gets the messages in order, ${way}`, async (t) => {
    const { url } = await startServer(t, {
      fastPath,
      routes: echoRoutes({
        async join(requests) {
          const messages = requests[Symbol.asyncIterator]();
          const results = await Promise.all([messages.next(), messages.next(), messages.next(), messages.next()]);
          return { value: results.map(({ done, value }) => (done ? "end" : value.value)).join() };
        },
      }),
    });
    const messages = (async function* () {
      for (const value of ["a", "b", "c"]) {
        yield { value };
        await turns();
      }
    })();
    const { value } = await createClient(Echo, createGrpcTransport({ baseUrl: url })).join(messages);
    assert.equal(value, "a,b,c,end");
  });
}

async function* mapped(messages: AsyncIterable<object>, map: (value: string) => string): AsyncIterable<never> {
  for await (const message of messages as AsyncIterable<{ value: string }>) {
    yield { ...message, value: map(message.value) } as never;
  }
}
