/** Tests the traces of calls, which a real Jaeger gets from the server, with and without a real collector between. */
import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Jaeger, type JaegerSpan, startCollector, startJaeger } from "./support/jaeger.ts";
import { callMany, startTraced } from "./support/traced.ts";

const CALLER_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER_SPAN = "00f067aa0ba902b7";
const SAMPLED = { traceparent: `00-${CALLER_TRACE}-${CALLER_SPAN}-01`, tracestate: "vendor=value" };
const UNSAMPLED = { traceparent: `00-${CALLER_TRACE}-${CALLER_SPAN}-00` };

/** Sampled calls out of 2,000 at a ratio of 0.2: 400, and six standard deviations of 17.9 to either side. */
const RATIO = { calls: 2_000, ratio: 0.2, least: 293, most: 507 };

describe("traces in Jaeger", { concurrency: 2 }, () => {
  let jaeger: Jaeger | undefined;
  const ends: (() => Promise<void>)[] = [];

  before(async () => {
    jaeger = await startJaeger({ after: (end) => ends.push(end), skip() {} });
  });

  after(async () => {
    for (const end of ends) await end();
  });

  /** Starts a server with a service name of its own. Skips the test without Jaeger. */
  async function start(t: TestContext, service: string, env: Readonly<Record<string, string>>, ...flags: string[]) {
    if (jaeger === undefined) return void t.skip("jaeger is not on PATH");
    const { endpoint, spans } = jaeger;
    const variables = { OTEL_SERVICE_NAME: service, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, ...env };
    const server = await startTraced(t, variables, ...flags);
    const end = async (): Promise<JaegerSpan[]> => {
      await server.stop();
      assert.match(server.stderr(), /^(?:HTTP\/2 is node:http2.*\n)?$/);
      return spans(service);
    };
    return { ...server, end, spans: () => spans(service) };
  }

  test("a call of gRPC has a span by the conventions for RPC, which begins a trace", async (t) => {
    const server = await start(t, "grpc", {}, "--trace-ratio", "1");
    if (server === undefined) return;
    const earliest = Date.now() * 1_000;
    await server.calls.add({ a: 1, b: 2 });
    const latest = (Date.now() + 1) * 1_000;
    const [span, ...others] = serverSpans(await server.end());
    assert.ok(span !== undefined && others.length === 0);
    assert.equal(span.name, "calls.v1.CallService/Add");
    assert.equal(span.parentId, undefined);
    assert.deepEqual(span.links, []);
    const { "otel.scope.name": _, "internal.span.format": __, ...tags } = span.tags;
    assert.deepEqual(tags, {
      "span.kind": "server",
      "rpc.system.name": "grpc",
      "rpc.method": "calls.v1.CallService/Add",
      "rpc.status_code": "OK",
      "client.address": "127.0.0.1",
      "network.protocol.version": "2",
    });
    assert.ok(span.startTime >= earliest && span.startTime + span.duration <= latest, JSON.stringify(span));
    assert.ok(span.duration > 0);
  });

  test("the codes of Connect are in lower case, and only errors of the server have an error type", async (t) => {
    const server = await start(t, "codes", {}, "--trace-ratio", "1");
    if (server === undefined) return;
    const codes = [Code.Canceled, Code.NotFound, Code.Internal, Code.Unavailable];
    for (const code of codes) {
      for (const client of [server.calls, server.connect])
        await assert.rejects(client.add({ b: -code }), (error) => ConnectError.from(error).code === code);
    }
    const seen = serverSpans(await server.end()).map(({ tags }) =>
      ["rpc.system.name", "network.protocol.version", "rpc.status_code", "error.type", "otel.status_code"]
        .map((key) => tags[key] ?? "-")
        .join(" "),
    );
    assert.deepEqual(seen, [
      "grpc 2 CANCELLED - -",
      "connectrpc 1.1 canceled - -",
      "grpc 2 NOT_FOUND - -",
      "connectrpc 1.1 not_found - -",
      "grpc 2 INTERNAL INTERNAL ERROR",
      "connectrpc 1.1 internal internal ERROR",
      "grpc 2 UNAVAILABLE UNAVAILABLE ERROR",
      "connectrpc 1.1 unavailable unavailable ERROR",
    ]);
  });

  test("a procedure that is not served has one name, and its own in an attribute of bounded length", async (t) => {
    const server = await start(t, "unknown", {}, "--trace-ratio", "1");
    if (server === undefined) return;
    const path = `calls.v1.CallService/${"x".repeat(1_000)}`;
    const headers = { "content-type": "application/json" };
    await fetch(`http://${server.authority}/${path}`, { method: "POST", headers, body: "{}" });
    const [span] = await server.end();
    assert.equal(span?.name, "connectrpc");
    assert.equal(span.tags["rpc.method"], "_OTHER");
    assert.equal(span.tags["rpc.method_original"], path.slice(0, 256));
    assert.equal(span.tags["rpc.status_code"], "unimplemented");
  });

  test("calls of health and reflection have no span", async (t) => {
    const server = await start(t, "left-out", {}, "--trace-ratio", "1");
    if (server === undefined) return;
    const headers = { "content-type": "application/json" };
    const url = `http://${server.authority}/grpc.health.v1.Health/Check`;
    assert.equal((await fetch(url, { method: "POST", headers, body: "{}" })).status, 200);
    assert.deepEqual(await server.end(), []);
  });

  for (const http2 of ["built-in", "node"])
    test(`the spans of handlers are children of the call's span, at once, after waiting and in streams, with ${http2} HTTP/2`, async (t) => {
      const server = await start(t, `children-${http2}`, {}, "--trace-ratio", "1", "--http2", http2);
      if (server === undefined) return;
      await server.calls.add({ a: 1, b: 2 });
      await server.calls.record({ a: 1, b: 2 });
      await server.connect.record({ a: 1, b: 2 });
      for await (const _ of server.streams.download({ count: 3, bytes: 1 }));
      await server.streams.upload(repeat(2));
      for await (const _ of server.streams.chat(repeat(2)));
      const spans = await server.end();
      const trees = serverSpans(spans).map((span) => `${span.name.split("/")[1]}(${treeOf(spans, span)})`);
      assert.deepEqual(trees, [
        "Add(add())",
        "Record(outer(inner()))",
        "Record(outer(inner()))",
        "Download(message 0(),message 1(),message 2())",
        "Upload(request 0(),request 1())",
        "Chat(chat 0(),chat 1())",
      ]);
      assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 6);
    });

  test("the spans of concurrent calls do not mix", async (t) => {
    const server = await start(t, "concurrent", {}, "--trace-ratio", "1");
    if (server === undefined) return;
    await Promise.all(Array.from({ length: 100 }, (_, i) => server.calls.record({ a: i, b: 2 })));
    const spans = await server.end();
    const trees = serverSpans(spans).map((span) => treeOf(spans, span));
    assert.deepEqual(
      trees,
      Array.from({ length: 100 }, () => "outer(inner())"),
    );
  });

  test("the caller's trace is linked, and its decision not followed, by default", async (t) => {
    const server = await start(t, "linked", {}, "--trace-ratio", "1");
    if (server === undefined) return;
    await server.calls.add({}, { headers: SAMPLED });
    await server.calls.add({}, { headers: UNSAMPLED });
    await server.calls.add({}, { headers: { traceparent: SAMPLED.traceparent.toUpperCase() } });
    const spans = serverSpans(await server.end());
    assert.ok(spans.every(({ traceId, parentId }) => traceId !== CALLER_TRACE && parentId === undefined));
    const link = `${CALLER_TRACE}/${CALLER_SPAN}`;
    assert.deepEqual(
      spans.map(({ links }) => links),
      [[link], [link], []],
    );
  });

  test("the access log has the trace id of the call's span, not that of the caller", async (t) => {
    const server = await start(t, "logged", {}, "--trace-ratio", "1", "--access-log-ratio", "1");
    if (server === undefined) return;
    await server.calls.add({}, { headers: SAMPLED });
    await server.stop();
    const [span] = serverSpans(await server.spans());
    assert.ok(span !== undefined && span.traceId !== CALLER_TRACE);
    assert.match(server.stderr(), new RegExp(`, trace ${span.traceId}\n$`));
  });

  test("without trust, a caller cannot have its calls traced", async (t) => {
    const server = await start(t, "no-trust", {}, "--trace-ratio", "0.0000001");
    if (server === undefined) return;
    await server.calls.add({}, { headers: SAMPLED });
    assert.deepEqual(await server.end(), []);
  });

  test("with --trace-trust on, the caller's span is the parent, and its decision is followed", async (t) => {
    const server = await start(t, "followed", {}, "--trace-trust", "on");
    if (server === undefined) return;
    await server.calls.record({ a: 1 }, { headers: SAMPLED });
    await server.calls.record({ a: 2 }, { headers: UNSAMPLED });
    await server.calls.record({ a: 3 });
    const spans = await server.end();
    const [span, ...others] = serverSpans(spans);
    assert.ok(span !== undefined && others.length === 0);
    assert.deepEqual([span.traceId, span.parentId, span.links], [CALLER_TRACE, CALLER_SPAN, []]);
    assert.equal(span.tags["w3c.tracestate"], SAMPLED.tracestate);
    assert.equal(treeOf(spans, span), "outer(inner())");
  });

  test("with trust, the ratio decides on calls without a valid traceparent", async (t) => {
    const server = await start(t, "trust-and-ratio", {}, "--trace-trust", "on", "--trace-ratio", "1");
    if (server === undefined) return;
    await server.calls.add({}, { headers: UNSAMPLED });
    await server.calls.add({}, { headers: { traceparent: `${SAMPLED.traceparent}-x` } });
    await server.calls.add({});
    const spans = serverSpans(await server.end());
    assert.deepEqual(
      spans.map(({ parentId, links }) => [parentId, links]),
      [
        [undefined, []],
        [undefined, []],
      ],
    );
  });

  test("the ratio of calls that are traced is within binomial bounds", async (t) => {
    const server = await start(t, "ratio", {}, "--trace-ratio", String(RATIO.ratio));
    if (server === undefined) return;
    await callMany(server, RATIO.calls);
    const spans = await server.end();
    const traced = serverSpans(spans).length;
    assert.ok(traced >= RATIO.least && traced <= RATIO.most, `${traced} of ${RATIO.calls}`);
    // The spans of the other handlers are not sampled either.
    assert.equal(spans.length, 2 * traced);
  });

  test("at a ratio of 1, the shutdown loses no span of 1,000 calls", async (t) => {
    const server = await start(t, "all", { OTEL_BSP_SCHEDULE_DELAY: "60000" }, "--trace-ratio", "1");
    if (server === undefined) return;
    await callMany(server, 1_000);
    assert.equal((await server.end()).length, 2_000);
  });

  test("workers trace their calls, and lose no span at the shutdown", async (t) => {
    const env = { OTEL_BSP_SCHEDULE_DELAY: "60000" };
    const server = await start(t, "workers", env, "--trace-ratio", "1", "--workers", "2");
    if (server === undefined) return;
    await Promise.all(Array.from({ length: 20 }, (_, i) => server.connect.add({ a: i })));
    assert.equal((await server.end()).length, 40);
  });

  test("at a ratio of 0, no call is traced", async (t) => {
    const server = await start(t, "none", {});
    if (server === undefined) return;
    await callMany(server, 50);
    assert.deepEqual(await server.end(), []);
  });

  test("the variables name the service, its attributes, and the limits of spans", async (t) => {
    const env = {
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test,service.name=no",
      OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: "2",
    };
    const server = await start(t, "variables", env, "--trace-ratio", "1");
    if (server === undefined) return;
    await server.calls.add({});
    const [span] = serverSpans(await server.end());
    assert.equal(span?.resource["service.name"], "variables");
    assert.equal(span.resource["deployment.environment.name"], "test");
    assert.equal(span.tags["rpc.method"], "calls.v1.CallService/Add");
    assert.equal(span.tags["network.protocol.version"], undefined);
  });

  test("OTEL_SDK_DISABLED and OTEL_TRACES_EXPORTER=none turn the export off", async (t) => {
    for (const env of [{ OTEL_SDK_DISABLED: "true" }, { OTEL_TRACES_EXPORTER: "none" }]) {
      const server = await start(t, Object.keys(env)[0] as string, env, "--trace-ratio", "1");
      if (server === undefined) return;
      await server.calls.add({});
      assert.deepEqual(await server.end(), []);
    }
  });

  test("a provider that the application has registered is used, and flushed at the shutdown", async (t) => {
    const env = { NODE_OPTIONS: "--import ./test/telemetry/support/own-provider.ts" };
    const server = await start(t, "own-provider", env, "--trace-ratio", "1");
    if (server === undefined) return;
    await server.calls.record({ a: 1 });
    const spans = await server.end();
    assert.deepEqual(
      spans.map(({ resource }) => resource.provider),
      ["own", "own", "own"],
    );
    assert.deepEqual(
      serverSpans(spans).map((span) => treeOf(spans, span)),
      ["outer(inner())"],
    );
  });

  test("spans reach Jaeger through the collector", async (t) => {
    const collector = jaeger && (await startCollector(t, jaeger));
    if (jaeger === undefined || collector === undefined) return;
    const env = {
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.endpoint}/v1/traces`,
      OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
    };
    const server = await start(t, "collected", env, "--trace-ratio", "1");
    if (server === undefined) return;
    await server.calls.record({ a: 1 }, { headers: SAMPLED });
    await assert.rejects(server.calls.add({ b: -Code.DataLoss }));
    await server.end();
    const log = await collector.end();
    assert.match(log, /Status code +: Error/);
    const spans = await jaeger.spans("collected");
    const trees = serverSpans(spans).map((span) => `${span.name}(${treeOf(spans, span)}) ${span.links}`);
    assert.deepEqual(trees, [
      `calls.v1.CallService/Record(outer(inner())) ${CALLER_TRACE}/${CALLER_SPAN}`,
      "calls.v1.CallService/Add() ",
    ]);
  });
});

/** Returns the spans of calls, in the order in which the calls began. */
function serverSpans(spans: readonly JaegerSpan[]): JaegerSpan[] {
  return spans.filter(({ tags }) => tags["span.kind"] === "server").sort((a, b) => a.startTime - b.startTime);
}

/** Returns the names of the children of a span, each with its own children in parentheses. */
function treeOf(spans: readonly JaegerSpan[], { spanId, traceId }: JaegerSpan): string {
  const children = spans.filter((span) => span.parentId === spanId && span.traceId === traceId);
  return children
    .sort((a, b) => a.name.localeCompare(b.name)) // the SDK gives them only whole ms
    .map((child) => `${child.name}(${treeOf(spans, child)})`)
    .join(",");
}

async function* repeat(count: number): AsyncIterable<{ data: Uint8Array<ArrayBuffer> }> {
  for (let i = 0; i < count; i++) yield { data: new Uint8Array(1) };
}
