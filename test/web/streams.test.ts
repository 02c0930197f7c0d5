/** Tests calls of the page as a script makes them: messages of streams, metadata, deadlines and stopped calls. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { create, createRegistry } from "@bufbuild/protobuf";
import { type StringValue, StringValueSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, type HandlerContext } from "@connectrpc/connect";
import type { Routes } from "../../src/server/rpc/options.ts";
import { valuesIn } from "../../web/annotate/part.ts";
import { type Call, type CallOptions, makeCall, type Outcome, type StreamOutcome } from "../../web/call/call.ts";
import { envelopeParts } from "../../web/call/parts.ts";
import { createTransport, type Protocol } from "../../web/call/protocol.ts";
import { createRecorder } from "../../web/call/recorder.ts";
import { StreamRecorder } from "../../web/call/stream-recorder.ts";
import { envelope } from "../support/cells.ts";
import { Echo, echoRoutes } from "../support/protos.ts";
import { startServer } from "../support/server.ts";

const STREAMING = ["connect-json", "connect-binary", "grpc-web"] as const satisfies readonly Protocol[];
const OPTIONS: CallOptions = { registry: createRegistry() };

/** Repeats the text as many times as its length, with a trailer. */
const repeating = echoRoutes({
  async *repeat({ value }, { responseTrailer }) {
    responseTrailer.set("x-mine", "7");
    for (let i = 0; i < value.length; i++) yield text(value + i);
  },
});

for (const protocol of STREAMING) {
  test(`a stream in ${protocol} is recorded message by message, with its end`, async (t) => {
    const { url } = await startServer(t, { routes: repeating });
    const progress: number[] = [];
    const onProgress = ({ stream }: StreamOutcome) => progress.push(stream.total.messages);
    const outcome = await repeat(url, { protocol, input: text("abc") }, { onProgress });
    const { stream, error, isOver, response } = outcome;
    assert.deepEqual([error, isOver, response?.status], [undefined, true, 200]);
    assert.deepEqual(valuesOf(outcome), ["abc0", "abc1", "abc2"]);
    assert.deepEqual([stream.total.messages, stream.omitted.messages, stream.rest.length], [3, 0, 0]);
    assert.equal(
      stream.total.bytes,
      stream.first.reduce((bytes, each) => bytes + each.bytes.length, 0),
    );
    assert.deepEqual(
      stream.first.map(({ number }) => number),
      [1, 2, 3],
    );
    assert.ok(stream.end !== undefined);
    const trailers = valuesIn(envelopeParts(outcome, stream.end)).map(({ path, value }) => `${path}=${value}`);
    assert.ok(trailers.includes(protocol === "grpc-web" ? "x-mine=7" : "metadata.x-mine[0]=7"), String(trailers));
    assert.equal(progress[0], 0, "the headers are shown before the first message");
    assert.equal(progress.at(-1), 3);
  });

  test(`an error after messages in ${protocol} is an outcome with both`, async (t) => {
    const routes = echoRoutes({
      async *repeat(request) {
        yield request;
        throw new ConnectError("enough", Code.ResourceExhausted);
      },
    });
    const outcome = await repeat((await startServer(t, { routes })).url, { protocol, input: text("x") });
    assert.deepEqual([outcome.error?.code, outcome.error?.rawMessage], [Code.ResourceExhausted, "enough"]);
    assert.deepEqual([valuesOf(outcome), outcome.isStopped], [["x"], false]);
    assert.ok(outcome.stream.end !== undefined);
  });

  test(`a truncated message in ${protocol} is rejected, in an envelope of its length`, async (t) => {
    const { url } = await startServer(t, { routes: repeating });
    const outcome = await repeat(url, { protocol, input: text("abc"), isTruncated: true });
    assert.equal(outcome.error?.code, Code.InvalidArgument);
    assert.equal(outcome.request?.body.at(4), Number(outcome.request?.body.length) - 5);
  });

  test(`a stop in ${protocol} ends the stream on the server, and keeps the messages`, async (t) => {
    const { promise: aborted, resolve } = Promise.withResolvers<void>();
    const routes = endless((signal) => signal.addEventListener("abort", () => resolve()));
    const { url } = await startServer(t, { routes });
    const controller = new AbortController();
    const onProgress = ({ stream }: StreamOutcome) => stream.total.messages >= 3 && controller.abort();
    const outcome = await repeat(url, { protocol, input: text("x") }, { signal: controller.signal, onProgress });
    assert.deepEqual([outcome.isStopped, outcome.error?.code, outcome.isOver], [true, Code.Canceled, true]);
    assert.ok(outcome.stream.total.messages >= 3);
    await aborted;
  });

  test(`a deadline in ${protocol} ends the stream on both sides`, async (t) => {
    const { promise: timeoutMs, resolve } = Promise.withResolvers<number | undefined>();
    const routes = endless((_, context) => resolve(context.timeoutMs()));
    const { url } = await startServer(t, { routes });
    const outcome = await repeat(url, { protocol, input: text("x"), timeoutMs: 300 });
    assert.deepEqual([outcome.error?.code, outcome.isStopped], [Code.DeadlineExceeded, false]);
    assert.ok(Number(await timeoutMs) <= 300);
  });

  test(`metadata in ${protocol} reaches the server, in a unary call too`, async (t) => {
    const seen: (string | null)[] = [];
    const look = ({ requestHeader }: HandlerContext) => seen.push(requestHeader.get("x-a"), requestHeader.get("b-bin"));
    const routes = echoRoutes({
      say(request, context) {
        look(context);
        return request;
      },
      async *repeat(request, context) {
        look(context);
        yield request;
      },
    });
    const { url } = await startServer(t, { routes });
    const headers = [["x-a", "1"] as const, ["b-bin", "AQI"] as const, ["x-a", "2"] as const];
    await repeat(url, { protocol, input: text("x"), headers });
    await makeCall(callOf({ protocol, method: Echo.method.say, input: text("x"), headers }), url, OPTIONS);
    assert.deepEqual(seen, ["1, 2", "AQI", "1, 2", "AQI"]);
  });

  test(`malformed responses in ${protocol} are outcomes with all bytes that came`, async (t) => {
    const type = { "connect-json": "connect+json", "connect-binary": "connect+proto", "grpc-web": "grpc-web+proto" };
    const good = protocol === "connect-json" ? Buffer.from('"x"') : Buffer.from("0a0178", "hex");
    for (const [name, body, messages, rest] of [
      ["an invalid message", [envelope(good), envelope(Buffer.from("ff{", "latin1"))], 2, 0],
      ["a cut envelope", [envelope(good), envelope(good).subarray(0, 6)], 1, 6],
      ["a length of 4 GiB", [envelope(good), Buffer.from("00ffffffff00", "hex")], 1, undefined],
      ["no end", [envelope(good)], 1, 0],
      ["nothing", [], 0, 0],
      ["a compressed message", [envelope(good, 1)], 1, 0],
      ["an invalid end", [envelope(good), envelope(Buffer.from("\u00ff{"), protocol === "grpc-web" ? 0x80 : 2)], 1, 0],
    ] as const) {
      const url = await respondWith(t, `application/${type[protocol]}`, Buffer.concat(body));
      const { error, stream, isOver, response } = await repeat(url, { protocol, input: text("x") });
      assert.ok(error instanceof ConnectError, name);
      assert.deepEqual([stream.total.messages, isOver, response?.status], [messages, true, 200], name);
      if (rest !== undefined) assert.equal(stream.rest.length, rest, name);
    }
  });

  test(`a response in ${protocol} that is not a stream is an outcome with its body`, async (t) => {
    const url = await respondWith(t, "text/html", Buffer.from("<p>busy"), 503);
    const { error, response, stream } = await repeat(url, { protocol, input: text("x") });
    assert.equal(error?.code, Code.Unavailable);
    assert.deepEqual([response?.status, String(Buffer.from(response?.body ?? []))], [503, "<p>busy"]);
    assert.equal(stream.total.messages, 0);
  });
}

test("the time of a call ends with its response, not with the browser's timing", async (t) => {
  const { url } = await startServer(t, { routes: echoRoutes({ say: (request) => request }) });
  t.mock.method(performance, "getEntriesByName", () => []);
  const call = callOf({ protocol: "connect-json", method: Echo.method.say, input: text("x") });
  await makeCall(call, url, OPTIONS); // the first call loads code
  const start = performance.now();
  const { milliseconds } = await makeCall(call, url, OPTIONS);
  const wholeMs = performance.now() - start;
  assert.ok(wholeMs - milliseconds >= 45, `${milliseconds} of ${wholeMs} ms`);
});

test("a recorder sends the headers that its change returns", async (t) => {
  const seen: (string | null)[] = [];
  const routes = echoRoutes({
    say(request, { requestHeader }) {
      seen.push(requestHeader.get("x-old"), requestHeader.get("x-new"));
      return request;
    },
  });
  const { url } = await startServer(t, { routes });
  const recorder = createRecorder({
    change: (request) => ({
      ...request,
      headers: [...request.headers.filter(([name]) => name !== "x-old"), ["x-new", "2"]],
    }),
  });
  const client = createClient(Echo, createTransport("connect-json", url, recorder.fetch));
  await client.say({ value: "x" }, { headers: { "x-old": "1" } });
  assert.deepEqual(seen, [null, "2"]);
  assert.ok(recorder.request?.headers.some(([name, value]) => name === "x-new" && value === "2"));
});

test("a unary call can be stopped, and is not unanswered", async (t) => {
  const routes = echoRoutes({ say: (request) => sleep(60_000, request, { ref: false }) });
  const { url } = await startServer(t, { routes });
  const call = callOf({ protocol: "connect-json", method: Echo.method.say, input: text("x") });
  const outcome = await makeCall(call, url, { ...OPTIONS, signal: AbortSignal.timeout(50) });
  assert.deepEqual([outcome.isStopped, outcome.response], [true, undefined]);
});

test("a long stream keeps its first and newest messages within the limits, and counts the others", () => {
  const limits = { first: { messages: 2, bytes: 100 }, newest: { messages: 3, bytes: 60 }, envelopeBytes: 1000 };
  const recorder = new StreamRecorder(0, () => {}, limits);
  for (let i = 0; i < 10; i++) recorder.add(new Uint8Array(envelope(Buffer.from(`message ${i}`))));
  const numbers = () =>
    [recorder.received.first, recorder.received.newest].map((all) => all.map(({ number }) => number));
  assert.deepEqual(numbers(), [
    [1, 2],
    [8, 9, 10],
  ]);
  assert.deepEqual(recorder.received.omitted, { messages: 5, bytes: 5 * 14 });
  recorder.add(new Uint8Array(envelope(Buffer.alloc(40))));
  assert.deepEqual(numbers()[1], [10, 11], "14 + 45 bytes are within 60");
  recorder.add(new Uint8Array(envelope(Buffer.alloc(400))));
  assert.deepEqual(numbers()[1], [12], "the newest one stays");
  assert.deepEqual(recorder.received.total, { messages: 12, bytes: 10 * 14 + 45 + 405 });
  assert.throws(() => recorder.add(new Uint8Array(envelope(Buffer.alloc(996)))), /1001 bytes exceed .* 1000$/);
});

test("envelopes are the same for every way to cut the body into pieces", () => {
  const whole = new Uint8Array(Buffer.concat([1, 0, 300, 2].map((bytes) => envelope(Buffer.alloc(bytes, bytes)))));
  for (const size of [1, 2, 5, 6, 7, 100, whole.length]) {
    const recorder = new StreamRecorder(0, () => {});
    for (let at = 0; at < whole.length; at += size) recorder.add(whole.slice(at, at + size));
    const { first, rest } = recorder.received;
    assert.deepEqual(Buffer.concat(first.map(({ bytes }) => bytes)), Buffer.from(whole), `pieces of ${size}`);
    assert.deepEqual([first.length, rest.length], [4, 0]);
  }
});

function text(value: string): StringValue {
  return create(StringValueSchema, { value });
}

type CallParts = Pick<Call, "protocol" | "method" | "input"> & Partial<Call>;

function callOf(parts: CallParts): Call {
  return { headers: [], timeoutMs: undefined, isTruncated: false, ...parts };
}

async function repeat(
  url: string,
  parts: Omit<CallParts, "method">,
  options: Partial<CallOptions> = {},
): Promise<StreamOutcome> {
  const outcome: Outcome = await makeCall(callOf({ ...parts, method: Echo.method.repeat }), url, {
    ...OPTIONS,
    ...options,
  });
  assert.ok("stream" in outcome);
  return outcome;
}

/** Returns the values of the messages, from their bytes. */
function valuesOf(outcome: StreamOutcome): unknown[] {
  return outcome.stream.first.map((each) => valuesIn(envelopeParts(outcome, each))[0]?.value);
}

/** Routes with a stream that ends only when it is cancelled. `begun` is called with its signal. */
function endless(begun: (signal: AbortSignal, context: HandlerContext) => void): Routes {
  return echoRoutes({
    async *repeat(request, context) {
      begun(context.signal, context);
      for (;;) {
        yield request;
        await sleep(5, undefined, { signal: context.signal }).catch(() => {});
        context.signal.throwIfAborted();
      }
    },
  });
}

/** Starts a server that responds to every request with these bytes. */
async function respondWith(t: TestContext, type: string, body: Uint8Array, status = 200): Promise<string> {
  const server = http.createServer((_, response) => response.writeHead(status, { "content-type": type }).end(body));
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
