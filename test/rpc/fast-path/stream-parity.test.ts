/** Streams on the fast path respond as Connect's handlers do. Random streams compare it with them and with Connect's own adapter. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { CELLS } from "../../support/cells.ts";
import { type HttpRequest, send } from "../../support/http.ts";
import { lasting } from "../../support/lasting.ts";
import { Random } from "../../support/random.ts";
import { malformedStream, randomStream, scriptedStreams } from "../../support/scripted-stream.ts";
import { startServer } from "../../support/server.ts";
import { asStock, startStock } from "../../support/stock.ts";

const SEED = 20_261_129;
const STREAMS = 60;
const STREAM_CELLS = CELLS.filter(({ protocol }) => protocol !== "Connect GET");

for (const cell of STREAM_CELLS) {
  test(`valid streams get equal responses with the fast path, without it and from Connect's own adapter, in ${cell.name}`, async (t) => {
    const { authority: fastPath } = await startServer(t, { routes: scriptedStreams, fastPath: true });
    const { authority: noFastPath } = await startServer(t, { routes: scriptedStreams, fastPath: false });
    const stock = await startStock(t, cell.http, { routes: scriptedStreams });
    const random = new Random(SEED);
    for (let i = 0; i < STREAMS; i++) {
      const request = randomStream(random, cell);
      const response = lasting(await send(cell.http, fastPath, request));
      assert.deepEqual(response, lasting(await send(cell.http, noFastPath, request)), `stream ${i}`);
      const expected = asStock(cell, lasting(await send(cell.http, stock, request)));
      assert.deepEqual(asStock(cell, response), expected, `stream ${i}`);
    }
  });

  test(`malformed streams get equal responses with the fast path and without it, in ${cell.name}`, async (t) => {
    const { authority: fastPath } = await startServer(t, { routes: scriptedStreams, fastPath: true });
    const { authority: noFastPath } = await startServer(t, { routes: scriptedStreams, fastPath: false });
    const random = new Random(SEED + 1);
    for (let i = 0; i < STREAMS; i++) {
      const request = malformedStream(random, randomStream(random, cell));
      const [response, expected] = await Promise.all(
        [fastPath, noFastPath].map((each) => respond(cell.http, each, request)),
      );
      assert.deepEqual(response, expected, `stream ${i}`);
    }
  });

  test(`interceptors and gates see and change the same with the fast path and without it, in ${cell.name}`, async (t) => {
    const start = async (fastPath: boolean) => {
      const passed: string[] = [];
      const interceptors = [noting("outer", passed), copying, noting("inner", passed)];
      const { authority } = await startServer(t, {
        routes: scriptedStreams,
        interceptors,
        async requestGate({ requestHeader, responseHeader }) {
          responseHeader.set("x-gate", "passed");
          if (requestHeader.get("x-request")?.startsWith("A")) throw new ConnectError("closed", Code.PermissionDenied);
        },
        fastPath,
      });
      return { authority, passed };
    };
    const withFastPath = await start(true);
    const without = await start(false);
    const random = new Random(SEED + 2);
    for (let i = 0; i < STREAMS; i++) {
      const valid = randomStream(random, cell);
      const request = random.chance(3) ? malformedStream(random, valid) : valid;
      const response = await respond(cell.http, withFastPath.authority, request);
      assert.deepEqual(response, await respond(cell.http, without.authority, request), `stream ${i}`);
    }
    assert.deepEqual(withFastPath.passed, without.passed);
    assert.ok(withFastPath.passed.some((entry) => entry.startsWith("inner, response")));
  });
}

async function respond(http: "HTTP/1.1" | "HTTP/2", authority: string, request: HttpRequest) {
  return lasting(await send(http, authority, request));
}

/** Records each call and its messages in `passed`, and adds headers to its request and response. */
function noting(name: string, passed: string[]): Interceptor {
  return (next) => async (request) => {
    if (!request.stream) throw new Error("not a stream");
    passed.push(`${name}, there: ${request.method.name} ${new URL(request.url).pathname} ${request.requestMethod}`);
    request.header.append("x-passed", name);
    const response = await next({ ...request, message: noted(`${name}, request`, request.message, passed) });
    if (!response.stream) throw new Error("not a stream");
    response.header.append("x-passed", name);
    response.trailer.append("x-passed", name);
    return { ...response, message: noted(`${name}, response`, response.message, passed) };
  };
}

async function* noted<T>(name: string, messages: AsyncIterable<T>, passed: string[]): AsyncIterable<T> {
  try {
    for await (const message of messages) {
      passed.push(`${name}: ${JSON.stringify(message)}`);
      yield message;
    }
    passed.push(`${name}: end`);
  } catch (error) {
    passed.push(`${name}: ${error}`);
    throw error;
  }
}

/** Passes on a copy of the request with another header, and a copy of the response. */
const copying: Interceptor = (next) => async (request) => {
  const header = new Headers(request.header);
  header.set("x-copied", "yes");
  const response = await next({ ...request, header });
  return { ...response, header: new Headers(response.header), trailer: new Headers(response.trailer) };
};
