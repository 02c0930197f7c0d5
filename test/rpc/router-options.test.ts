/**
 * Each of Connect's options at each level: the server, router.service and router.rpc. An option has the same effect as
 * with Connect's own adapter, and all protections of the server stay on.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { deflateRaw, gzipSync, inflateRaw } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouterOptions, type Interceptor, type ServiceImpl } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { Routes } from "../../src/server/rpc/options.ts";
import type { ServerOptions } from "../../src/server/server.ts";
import { AddResponseSchema, CallService } from "../gen/calls/v1/calls_pb.ts";
import { CELLS, type Cell, callIn, envelope, isGrpc, makeRequest, readResponse } from "../support/cells.ts";
import { type HttpRequest, send } from "../support/http.ts";
import { lasting } from "../support/lasting.ts";
import { Echo } from "../support/protos.ts";
import { runScript } from "../support/scripted.ts";
import { startServer } from "../support/server.ts";
import { asStock, startStock } from "../support/stock.ts";

const SAY = "/fixture.Echo/Say";
const LEVELS = ["the server", "router.service", "router.rpc"] as const;
type Level = (typeof LEVELS)[number];

/** An algorithm that a server only has by its options. */
const DEFLATE: Compression = {
  name: "deflate-raw",
  compress: (bytes) => promisify(deflateRaw)(bytes),
  decompress: (bytes) => promisify(inflateRaw)(bytes),
};

const noting: Interceptor = (next) => async (request) => {
  request.header.append("x-noted", "there");
  const response = await next(request);
  response.header.append("x-noted", "back");
  return response;
};

const refuseTimed = ({ requestHeader }: { requestHeader: Headers }): void => {
  if (requestHeader.has("grpc-timeout") || requestHeader.has("connect-timeout-ms"))
    throw new ConnectError("calls with a timeout are rejected", Code.PermissionDenied, { "x-gate": "refused" });
};

/** Values of each option that change a response, but let valid calls of every enabled protocol pass. */
const OPTIONS: { readonly [K in keyof ConnectRouterOptions]-?: readonly NonNullable<ConnectRouterOptions[K]>[] } = {
  acceptCompression: [[], [DEFLATE]],
  compressMinBytes: [0, 1_000_000],
  readMaxBytes: [64, 100_000],
  writeMaxBytes: [500],
  jsonOptions: [{ alwaysEmitImplicit: true }],
  binaryOptions: [{ readUnknownFields: false }],
  maxTimeoutMs: [1_000],
  shutdownSignal: [AbortSignal.abort(new ConnectError("closing", Code.Unavailable))],
  requireConnectProtocolHeader: [true],
  interceptors: [[noting], [noting, noting]],
  requestGate: [
    (context) => {
      context.responseHeader.append("set-cookie", "a=1");
      context.responseHeader.append("set-cookie", "b=2");
      context.responseTrailer.set("x-gate", "passed");
      refuseTimed(context);
    },
    async (context) => {
      context.responseHeader.set("x-gate", "looking");
      await sleep(1);
      refuseTimed(context);
    },
  ],
  grpc: [false],
  grpcWeb: [false],
  connect: [false],
};

/** Options that do not change the responses to the calls below. */
const HARMLESS: Readonly<ConnectRouterOptions> = {
  acceptCompression: [DEFLATE],
  compressMinBytes: 0,
  readMaxBytes: 100_000,
  writeMaxBytes: 100_000,
  jsonOptions: {},
  binaryOptions: {},
  maxTimeoutMs: 100_000,
  shutdownSignal: new AbortController().signal,
  requireConnectProtocolHeader: true,
  interceptors: [(next) => next],
  requestGate: () => sleep(1),
};

type Implementation = ServiceImpl<typeof Echo>;

/** Returns routes of both services with the options at `level`. At the server's level, createServer or the adapter has them. */
function routesAt(level: Level, options: ConnectRouterOptions, implementation: Partial<Implementation>): Routes {
  const echo = { ...IMPLEMENTATION, ...implementation };
  const calls: ServiceImpl<typeof CallService> = {
    add: ({ a, b, $unknown }) => Object.assign(create(AddResponseSchema, { sum: a + b }), { $unknown }),
    record: () => ({}),
  };
  return (router) => {
    if (level === "router.rpc") {
      router.rpc(Echo.method.say, echo.say, options).rpc(Echo.method.repeat, echo.repeat, options);
      router.rpc(CallService.method.add, calls.add, options);
    } else {
      const given = level === "router.service" ? options : undefined;
      router.service(Echo, echo, given).service(CallService, calls, given);
    }
  };
}

const IMPLEMENTATION: Implementation = {
  say: runScript,
  async *repeat(request) {
    yield request;
  },
  join: async () => ({ value: "" }),
  async *chat() {},
};

/** Returns the options of startServer for the level. */
function serverAt(level: Level, options: ConnectRouterOptions): Partial<ServerOptions> {
  return level === "the server" ? options : {};
}

/** Calls such that each option changes the response to at least one. */
function requests(cell: Cell): HttpRequest[] {
  const text = (value: string): Buffer => {
    if (cell.codec === "json") return Buffer.from(JSON.stringify(value));
    const bytes = Buffer.from(value);
    assert.ok(bytes.length < 128);
    return Buffer.concat([Buffer.of(0x0a, bytes.length), bytes]);
  };
  const say = (script: object) => ({ path: SAY, message: text(JSON.stringify(script)) });
  const timeout = isGrpc(cell) ? "30S" : "30000";
  const sum = cell.codec === "json" ? '{"a":1,"b":-1}' : "\x08\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x78\x01";
  const plain = makeRequest(cell, say({ report: true }));
  return [
    plain,
    makeRequest(cell, { ...say({ async: true, length: 5_000 }), acceptEncoding: "gzip,deflate-raw" }),
    makeRequest(cell, { ...say({ header: [["x-a", "b"]] }), acceptEncoding: "deflate-raw" }),
    makeRequest(cell, { path: SAY, message: gzipSync(text(JSON.stringify({ length: 3 }))), encoding: "gzip" }),
    makeRequest(cell, say({ error: { code: Code.NotFound, message: "x".repeat(20), details: 1, metadata: "a" } })),
    makeRequest(cell, { ...say({ trailer: [["x-a", "b"]] }), timeout }),
    makeRequest(cell, { path: "/calls.v1.CallService/Add", message: Buffer.from(sum, "latin1") }),
    {
      ...plain,
      path: plain.path.replace("connect=v1&", ""),
      headers: Object.fromEntries(
        Object.entries(plain.headers ?? {}).filter(([name]) => name !== "connect-protocol-version"),
      ),
    },
  ];
}

/** True if an option may have another effect in the cell than in the other cells. */
function isTried(option: string, { http, codec }: Cell): boolean {
  if (option === "requestGate") return codec === "proto"; // runs before the body is read, which differs between HTTP versions
  return http === "HTTP/2" && (codec === "proto" || /^(json|binary)Options$|MaxBytes$/.test(option));
}

/** Errors of Connect's handlers that this server may report with another text. */
const OTHER_WORDS = /larger than configured/;

for (const [option, values] of Object.entries(OPTIONS)) {
  for (const [i, value] of values.entries()) {
    for (const level of LEVELS) {
      test(`${option} ${i + 1} of ${values.length} to ${level} has the same effect as in Connect`, async (t) => {
        const options: ConnectRouterOptions = { [option]: value };
        const routes = routesAt(level, options, {});
        const start = (fastPath: boolean) => startServer(t, { fastPath, routes, ...serverAt(level, options) });
        const [{ authority: withFastPath }, { authority: without }] = await Promise.all([start(true), start(false)]);
        const { authority: unchanged } = await startServer(t, { routes: routesAt(level, {}, {}) });
        const stockOptions = level === "the server" ? options : {};
        const stocks = {
          "HTTP/1.1": await startStock(t, "HTTP/1.1", { routes, ...stockOptions }),
          "HTTP/2": await startStock(t, "HTTP/2", { routes, ...stockOptions }),
        };
        let changed = 0;
        for (const cell of CELLS.filter((each) => isTried(option, each))) {
          for (const [j, request] of requests(cell).entries()) {
            const call = `call ${j} in ${cell.name}`;
            const [response, other, expected, before] = await Promise.all(
              [withFastPath, without, stocks[cell.http], unchanged].map(async (to) =>
                lasting(await send(cell.http, to, request)),
              ),
            );
            assert.ok(response && other && expected && before);
            const { code, status, message } = readResponse(cell, expected);
            if (OTHER_WORDS.test(message)) {
              for (const each of [response, other]) {
                const got = readResponse(cell, each);
                assert.deepEqual([got.code, got.status], [code, status], call);
              }
            } else {
              assert.deepEqual(response, other, call);
              // Plain HTTP responses such as a 415 have more headers here.
              if (code === undefined) assert.equal(response.status, status, call);
              else assert.deepEqual(asStock(cell, response), asStock(cell, expected), call);
            }
            if (JSON.stringify(response) !== JSON.stringify(before)) changed++;
          }
        }
        const isMore = option === "readMaxBytes" && (value as number) > 64;
        assert.ok(isMore || changed > 0, "the option changed nothing");
      });
    }
  }
}

for (const level of LEVELS) {
  for (const fastPath of [true, false]) {
    const way = `${fastPath ? "with" : "without"} the fast path`;
    for (const options of [...Object.entries(HARMLESS).map(([name, value]) => ({ [name]: value })), {}]) {
      const [option = "no option"] = Object.keys(options);
      test(`${option} to ${level} leaves the server's protections on, ${way}`, async (t) => {
        const started = await startProtected(t, fastPath, level, options);
        await assertProtected(started);
      });
    }
    for (const [option, cell] of [
      ["grpc", cellOf("Connect proto over HTTP/2")],
      ["grpcWeb", cellOf("Connect proto over HTTP/2")],
      ["connect", cellOf("gRPC proto over HTTP/2")],
    ] as const) {
      test(`${option} false to ${level} leaves the server's protections on, ${way}`, async (t) => {
        await assertProtected(await startProtected(t, fastPath, level, { [option]: false }), cell);
      });
    }
  }
}

const DEADLINE_MS = 300;

interface Protected {
  readonly authority: string;
  readonly log: string[];
  readonly running: () => number;
  /** Ends all handlers. */
  readonly release: () => void;
}

async function startProtected(
  t: TestContext,
  fastPath: boolean,
  level: Level,
  options: ConnectRouterOptions,
): Promise<Protected> {
  const released = Promise.withResolvers<void>();
  t.after(() => released.resolve());
  let running = 0;
  const routes = routesAt(level, options, {
    async say(request) {
      if (request.value === "throw") throw new TypeError("the database is on fire");
      await released.promise;
      return request;
    },
    async *repeat(request) {
      running++;
      await released.promise;
      yield request;
    },
  });
  const server = serverAt(level, options);
  const limits = { callsInFlight: 2, deadlineMs: DEADLINE_MS, ...server.limits };
  const { authority, log } = await startServer(t, { fastPath, routes, ...server, limits });
  return { authority, log, running: () => running, release: released.resolve };
}

async function assertProtected(
  { authority, log, running, release }: Protected,
  cell = cellOf("gRPC proto over HTTP/2"),
): Promise<void> {
  const say = (value: Uint8Array | string) => callIn(cell, authority, { path: SAY, message: Buffer.from(value) });
  const repeat = () => {
    const contentType = isGrpc(cell) ? "application/grpc+proto" : "application/connect+proto";
    const headers = { "content-type": contentType, "connect-protocol-version": "1" };
    return send("HTTP/2", authority, {
      path: "/fixture.Echo/Repeat",
      headers,
      body: envelope(Buffer.from("\x0a\x01a")),
    });
  };

  assert.equal((await say("\x0a")).code, "invalid_argument", "a malformed message");

  assert.equal((await say("\x0a\x05throw")).code, "internal");
  assert.match(
    log.splice(0).join("\n"),
    /^handle \/fixture\.Echo\/Say by (grpc|connect): TypeError: the database is on/,
  );

  const late = await say("\x0a\x01a");
  assert.equal(late.code, "deadline_exceeded", "a handler that runs longer than deadlineMs");
  const streams = [repeat()];
  while (running() < 1) await sleep(1); // the second call in flight, beside the handler that runs after its deadline
  const refused = await repeat();
  const { trailers, headers, body } = refused;
  assert.match(
    JSON.stringify({ ...headers, ...trailers }) + body,
    /2 calls are in flight/,
    "a stream above callsInFlight",
  );
  assert.equal((await say("\x0a\x01a")).code, "unavailable", "a call above callsInFlight");
  assert.equal(running(), 1);
  release();
  await Promise.all(streams);
  assert.equal((await say("\x0a\x01a")).code, "ok");
}

function cellOf(name: string): Cell {
  return CELLS.find((cell) => cell.name === name) as Cell;
}
