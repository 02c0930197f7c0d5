/** Tests the access log: which calls have a record, and what no record has. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import type { LogRecord } from "../../src/server/log/record.ts";
import type { ServerOptions } from "../../src/server/server-options.ts";
import { createAccessLog } from "../../src/telemetry/access-log.ts";
import { CELLS, type Cell, callIn, makeRequest } from "../support/cells.ts";
import { HTTP_VERSIONS, send } from "../support/http.ts";
import { checkRecord, UNSAFE } from "../support/log.ts";
import { MAIN, startProcess } from "../support/process.ts";
import { Echo, echoRoutes } from "../support/protos.ts";
import { type RunningServer, startServer } from "../support/server.ts";

const SAY = "/fixture.Echo/Say";
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`;
const SECRETS = ["s3cret-token", "s3cret-cookie", "s3cret-query", "s3cret-body", "s3cret-name"];
const HI = { proto: Buffer.from("\x0a\x02hi"), json: Buffer.from('"hi"') };

interface Logged extends RunningServer {
  readonly records: LogRecord[];
}

/** Starts a server with an access log. A call of "NAME" ends with the code of that name. */
async function start(t: TestContext, ratio: number, options: Partial<ServerOptions> = {}): Promise<Logged> {
  const records: LogRecord[] = [];
  const log = (record: LogRecord): void => {
    checkRecord(record);
    records.push(record);
  };
  const { observer } = createAccessLog({ ratio, log, traceIdOf: undefined });
  const routes = echoRoutes({
    say({ value }) {
      const code = Code[value as keyof typeof Code];
      if (code !== undefined) throw new ConnectError("s3cret-name", code);
      return { value };
    },
  });
  return { ...(await startServer(t, { routes, observer, ...options })), records };
}

/** Makes calls of gRPC on one connection, one after the other. A call that fails counts too. */
async function callMany(t: TestContext, url: string, count: number, value = "hi"): Promise<void> {
  const client = createClient(Echo, createGrpcTransport({ baseUrl: url }));
  for (let i = 0; i < count; i++) await client.say({ value }, { signal: t.signal }).catch(() => {});
}

/** The protocol of a cell by its name in records. */
const protocolOf = ({ protocol }: Cell): string =>
  ({ gRPC: "grpc", "gRPC-Web": "grpc-web" })[protocol as "gRPC"] ?? "connect";

for (const cell of CELLS) {
  test(`a call has one record with what an operator needs, in ${cell.name}`, async (t) => {
    const { authority, records } = await start(t, 1);
    const call = { path: SAY, message: HI[cell.codec] };
    const { code } = await callIn(cell, authority, call, ({ headers, ...request }) => ({
      ...request,
      headers: { ...headers, traceparent: TRACEPARENT },
    }));
    assert.equal(code, "ok");
    const [record, ...more] = records;
    assert.ok(record !== undefined && more.length === 0);
    const { message, durationMs, requestBytes, responseBytes, ...fields } = record;
    assert.deepEqual(fields, {
      level: "info",
      event: "call",
      procedure: SAY,
      protocol: protocolOf(cell),
      httpVersion: cell.http === "HTTP/2" ? "2" : "1.1", // as in metrics and traces
      peer: "127.0.0.1",
      code: "OK",
      traceId: TRACE,
    });
    assert.ok(typeof durationMs === "number" && durationMs > 0 && durationMs < 10_000);
    assert.equal(durationMs, Number(durationMs.toFixed(3)), "microseconds");
    const { body = "" } = makeRequest(cell, call);
    assert.equal(requestBytes, cell.protocol === "Connect GET" ? 0 : body.length);
    assert.ok(Number(responseBytes) >= 4);
    const shown = `call ${SAY} by ${fields.protocol} over HTTP/${fields.httpVersion} from 127.0.0.1: OK after ${durationMs.toFixed(3)} ms, ${requestBytes} bytes in, ${responseBytes} bytes out, trace ${TRACE}`;
    assert.equal(message, shown);
  });
}

test("at a ratio of 1 each call has a record, and at 0 none that succeeds or fails by its client", async (t) => {
  for (const [ratio, count] of [
    [1, 200],
    [0, 0],
  ] as const) {
    const { url, records } = await start(t, ratio);
    await callMany(t, url, 100);
    await callMany(t, url, 100, "NotFound");
    assert.equal(records.length, count);
    const codes = Object.groupBy(records, ({ code }) => String(code));
    if (count > 0) assert.deepEqual([codes.OK?.length, codes.NOT_FOUND?.length], [100, 100]);
    assert.ok(records.every(({ level }) => level === "info"));
  }
});

test("at a ratio of 0.5 half of 2,000 calls have a record, within six standard deviations", async (t) => {
  const { url, records } = await start(t, 0.5);
  await callMany(t, url, 2_000);
  assert.ok(Math.abs(records.length - 1_000) <= 6 * Math.sqrt(2_000 / 4), String(records.length));
});

test("errors of the server have a record at a ratio of 0 too, one a second for each method and code", async (t) => {
  const { url, records } = await start(t, 0);
  const started = performance.now();
  await callMany(t, url, 40, "Internal");
  const first = records.splice(0);
  const seconds = Math.ceil((performance.now() - started) / 1_000);
  assert.ok(first.length >= 1 && first.length <= seconds);
  assert.deepEqual([first[0]?.level, first[0]?.code, first[0]?.leftOut], ["error", "INTERNAL", undefined]);
  const before = first.reduce((sum, { leftOut }) => sum + Number(leftOut ?? 0), 0);
  await sleep(1_050);
  await callMany(t, url, 1, "Internal");
  assert.equal(Number(records[0]?.leftOut) + before, 40 - first.length);
  assert.match(String(records[0]?.message), /, and \d+ times before$/);
  records.length = 0;
  for (const name of ["Unknown", "DeadlineExceeded", "Unimplemented", "Unavailable", "DataLoss"])
    await callMany(t, url, 2, name);
  const codes = records.map(({ code }) => code);
  assert.deepEqual(codes, ["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "UNAVAILABLE", "DATA_LOSS"]);
});

test("probes of health have no record", async (t) => {
  const { authority, records } = await start(t, 1);
  const headers = { "content-type": "application/json" };
  await send("HTTP/1.1", authority, { path: "/grpc.health.v1.Health/Check", headers, body: "{}" });
  assert.deepEqual(records, []);
});

test("a trace id comes from the server's own span, or else from a valid traceparent", async (t) => {
  const records: LogRecord[] = [];
  for (const [own, traceparent, expected] of [
    ["a".repeat(32), TRACEPARENT, "a".repeat(32)],
    [undefined, TRACEPARENT, TRACE],
    [undefined, `00-${"0".repeat(32)}-00f067aa0ba902b7-01`, undefined],
    [undefined, `00-${TRACE.toUpperCase()}-00f067aa0ba902b7-01`, undefined],
    [undefined, `${TRACEPARENT}, ${TRACEPARENT}`, undefined],
    [undefined, '"}\\', undefined],
  ] as const) {
    const log = (record: LogRecord) => void records.push(record);
    const { observer } = createAccessLog({ ratio: 1, log, traceIdOf: () => own });
    const { authority } = await startServer(t, { routes: echoRoutes({ say: (request) => request }), observer });
    const headers = { "content-type": "application/json", traceparent };
    await send("HTTP/1.1", authority, { path: SAY, headers, body: '"hi"' });
    assert.equal(records.pop()?.traceId, expected);
  }
});

const HOSTILE_PATHS = [
  `/a.B/C"}\\`,
  "/a.B/%0A%1b[2J",
  "/a.B/procedure=/x code=OK",
  `/${"long".repeat(500)}/C`,
  "/a.B/\u0085\u2028",
];

for (const version of HTTP_VERSIONS)
  test(`a hostile path, headers and a body forge nothing, and no secret is in a record, over ${version}`, async (t) => {
    const { authority, records } = await start(t, 1);
    for (const path of [...HOSTILE_PATHS, SAY]) {
      const headers = {
        "content-type": "application/json",
        authorization: "Bearer s3cret-token",
        cookie: "session=s3cret-cookie",
        "x-\u0061": '"}\n'.trim(),
        "user-agent": 'a", "level":"error',
      };
      // Node's client sends each character as one byte, and refuses spaces.
      const sent = `${Buffer.from(path).toString("latin1").replaceAll(" ", "%20")}?token=s3cret-query`;
      await send(version, authority, { path: sent, headers, body: '"s3cret-body"' }).catch(() => {});
    }
    assert.ok(records.length >= 5, String(records.length));
    for (const record of records) {
      for (const secret of SECRETS) assert.ok(!JSON.stringify(record).includes(secret), record.message);
      assert.ok(record.message.length < 400, record.message);
      if (record.path === undefined) continue;
      const path = String(record.path);
      assert.ok(path.startsWith('"') && path.length < 250, path);
      assert.equal(typeof JSON.parse(path), "string");
    }
    assert.equal(records.at(-1)?.procedure, SAY);
  });

test("a log that throws changes no call", async (t) => {
  const fail = (): never => {
    throw new Error("the disk is full");
  };
  const { observer } = createAccessLog({ ratio: 1, log: fail, traceIdOf: undefined });
  const { authority, log } = await startServer(t, { routes: echoRoutes({ say: (request) => request }), observer });
  for (const cell of CELLS) {
    const { code } = await callIn(cell, authority, { path: SAY, message: HI[cell.codec] });
    assert.equal(code, "ok", cell.name);
  }
  assert.match(log.splice(0).join("\n"), /^observe a call: end: Error: the disk is full\n/);
});

for (const format of ["text", "json"] as const)
  test(`the program writes a line for each call in ${format}, with the trace id of its own span`, async (t) => {
    const flags = ["--port", "0", "--log-format", format, "--access-log-ratio", "1", "--trace-ratio", "1"];
    const server = await startProcess(t, "node", MAIN, ...flags);
    const headers = { "content-type": "application/json", authorization: "s3cret-token", traceparent: TRACEPARENT };
    const call = { path: "/calls.v1.CallService/Add", headers, body: '{"a":1,"b":2}' };
    for (let i = 0; i < 3; i++) await send("HTTP/2", server.authority, call);
    await send("HTTP/2", server.authority, { ...call, path: `${call.path}"%0a?s3cret-query` });
    const lines = (): string[] =>
      server
        .stderr()
        .split("\n")
        .filter((line) => /\bcall\b/.test(line));
    while (lines().length < 4) await sleep(10, undefined, { signal: t.signal });
    const trace = format === "json" ? '"traceId":"' : ", trace ";
    for (const line of lines()) {
      const [, id] = RegExp(`${trace}([0-9a-f]{32})`).exec(line) ?? [];
      assert.ok(id !== undefined && id !== TRACE, line);
      assert.doesNotMatch(line, UNSAFE);
      assert.doesNotMatch(line, /s3cret/);
    }
    if (format === "json") assert.equal(server.records().filter(({ event }) => event === "call").length, 4);
    else
      assert.match(
        lines()[0] ?? "",
        /^call \/calls\.v1\.CallService\/Add by connect over HTTP\/2 from 127\.0\.0\.1: OK /,
      );
  });
