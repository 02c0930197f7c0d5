/** The option contextValues: an application's values for interceptors and handlers, in every protocol and on every path. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Code,
  ConnectError,
  createClient,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Health } from "../../gen/health/v1/health_pb.ts";
import { type CallRequest, peerKey } from "../../src/server/rpc/context-values.ts";
import { CELLS, type Cell, callIn } from "../support/cells.ts";
import { Echo, echoRoutes } from "../support/protos.ts";
import { startServer } from "../support/server.ts";

const SAY = "/fixture.Echo/Say";
const HI = { proto: Buffer.from("\x0a\x02hi"), json: Buffer.from('"hi"') };
const userKey = createContextKey("nobody");
const POST_CELLS = CELLS.filter(({ protocol }) => protocol !== "Connect GET");

/** Returns values with the user whom the request names. */
function userOf({ headers }: CallRequest) {
  return createContextValues().set(userKey, headers.get("x-user") ?? "nobody");
}

function say(cell: Cell, authority: string, user = "ada") {
  return callIn(cell, authority, { path: SAY, message: HI[cell.codec] }, (request) => ({
    ...request,
    headers: { ...request.headers, "x-user": user },
  }));
}

for (const fastPath of [true, false]) {
  const way = fastPath ? "with the fast path" : "without the fast path";

  test(`gate, interceptor and handler see the values and the peer, in every protocol, ${way}`, async (t) => {
    const seen: unknown[] = [];
    const look = (where: string, values: HandlerContext["values"]): void =>
      void seen.push([where, values.get(userKey), values.get(peerKey)?.address]);
    const interceptor: Interceptor = (next) => (request) => {
      look("interceptor", request.contextValues);
      return next(request);
    };
    const { authority } = await startServer(t, {
      fastPath,
      contextValues: userOf,
      requestGate: ({ values }) => look("gate", values),
      interceptors: [interceptor],
      routes: echoRoutes({
        say(message, { values }) {
          look("handler", values);
          return message;
        },
      }),
    });
    for (const cell of POST_CELLS) {
      assert.equal((await say(cell, authority)).code, "ok", cell.name);
      const expected = ["gate", "interceptor", "handler"].map((where) => [where, "ada", "127.0.0.1"]);
      assert.deepEqual(seen.splice(0), expected, cell.name);
    }
  });

  test(`the function gets the head of the request, ${way}`, async (t) => {
    const heads: unknown[] = [];
    const { authority } = await startServer(t, {
      fastPath,
      routes: echoRoutes({ say: (message) => message }),
      contextValues({ httpVersion, scheme, method, authority, path, headers, peer }) {
        heads.push([httpVersion, scheme, method, authority, path, headers.get("x-user"), peer.address]);
        return createContextValues();
      },
    });
    for (const cell of POST_CELLS) {
      await say(cell, authority, "eve");
      const version = cell.http === "HTTP/2" ? "2.0" : "1.1";
      assert.deepEqual(heads.splice(0), [[version, "http", "POST", authority, SAY, "eve", "127.0.0.1"]], cell.name);
    }
  });

  test(`values that the application returns for several calls are not the values of another call, ${way}`, async (t) => {
    const shared = createContextValues().set(userKey, "everyone");
    const seen: unknown[] = [];
    const { authority } = await startServer(t, {
      fastPath,
      contextValues: () => shared,
      routes: echoRoutes({
        async say(message, { values }) {
          seen.push([values.get(userKey), typeof values.get(peerKey)?.port]);
          return message;
        },
      }),
    });
    for (const cell of POST_CELLS) {
      const outcomes = await Promise.all([1, 2, 3, 4].map(() => say(cell, authority)));
      assert.deepEqual(
        outcomes.map(({ code }) => code),
        Array(4).fill("ok"),
        cell.name,
      );
    }
    assert.deepEqual(seen, Array(4 * POST_CELLS.length).fill(["everyone", "number"]));
    assert.equal(shared.get(peerKey), undefined);
  });

  test(`values that the request gate sets reach the handler, ${way}`, async (t) => {
    const seen: unknown[] = [];
    const { authority } = await startServer(t, {
      fastPath,
      requestGate: ({ values }) => void values.set(userKey, "from the gate"),
      routes: echoRoutes({
        say(message, { values }) {
          seen.push(values.get(userKey));
          return message;
        },
      }),
    });
    for (const cell of POST_CELLS) {
      assert.equal((await say(cell, authority)).code, "ok", cell.name);
    }
    assert.deepEqual([...new Set(seen)], ["from the gate"]);
  });

  for (const [what, fail, code, message, logged] of [
    ["a ConnectError", () => new ConnectError("who?", Code.Unauthenticated), "unauthenticated", "who?", undefined],
    ["an Error", () => new Error("secret"), "internal", "internal error", /secret/],
  ] as const) {
    test(`${what} of the function ends the call before gate and handler, ${way}`, async (t) => {
      const ran: string[] = [];
      const { authority, log } = await startServer(t, {
        fastPath,
        contextValues() {
          throw fail();
        },
        requestGate: () => void ran.push("gate"),
        routes: echoRoutes({
          say(request) {
            ran.push("handler");
            return request;
          },
        }),
      });
      for (const cell of POST_CELLS) {
        const outcome = await say(cell, authority);
        assert.deepEqual([outcome.code, outcome.message], [code, message], cell.name);
      }
      assert.deepEqual(ran, []);
      const entries = log.splice(0);
      if (logged === undefined) assert.deepEqual(entries, []);
      else assert.match(entries.join("\n"), logged);
    });
  }

  test(`a result that is not ContextValues is an internal error, and the log says what it is, ${way}`, async (t) => {
    const { authority, log } = await startServer(t, {
      fastPath,
      contextValues: (() => ({ user: 1 })) as never,
      routes: echoRoutes({ say: (message) => message }),
    });
    assert.equal((await say(POST_CELLS[0] as Cell, authority)).code, "internal");
    assert.match(log.splice(0).join("\n"), /contextValues: the function must return ContextValues, not \{ user: 1 \}/);
  });

  test(`a promise in place of ContextValues is an internal error, and its rejection is not unhandled, ${way}`, async (t) => {
    const { authority, log } = await startServer(t, {
      fastPath,
      contextValues: (() => Promise.reject(new Error("invalid token"))) as never,
      routes: echoRoutes({ say: (message) => message }),
    });
    for (const cell of POST_CELLS) assert.equal((await say(cell, authority)).code, "internal", cell.name);
    assert.match(log.splice(0).join("\n"), /contextValues: the function must return ContextValues, not Promise/);
  });

  test(`streams get the values, and their error, ${way}`, async (t) => {
    const { url } = await startServer(t, {
      fastPath,
      contextValues({ headers }) {
        if (headers.has("x-refuse")) throw new ConnectError("refused", Code.PermissionDenied);
        return createContextValues().set(userKey, "ada");
      },
      routes: echoRoutes({
        async *repeat(_, { values }) {
          yield { value: values.get(userKey) };
        },
      }),
    });
    const client = createClient(Echo, createGrpcTransport({ baseUrl: url }));
    const [message] = await Array.fromAsync(client.repeat({ value: "x" }));
    assert.equal(message?.value, "ada");
    await assert.rejects(Array.fromAsync(client.repeat({ value: "x" }, { headers: { "x-refuse": "1" } })), {
      code: Code.PermissionDenied,
      rawMessage: "refused",
    });
  });

  for (const interceptHealth of [true, false]) {
    test(`the function ${interceptHealth ? "runs" : "does not run"} for health with interceptHealth ${interceptHealth}, ${way}`, async (t) => {
      const paths: string[] = [];
      const { url } = await startServer(t, {
        fastPath,
        interceptHealth,
        contextValues({ path }) {
          paths.push(path);
          return createContextValues();
        },
      });
      await createClient(Health, createGrpcTransport({ baseUrl: url })).check({});
      assert.deepEqual(paths, interceptHealth ? ["/grpc.health.v1.Health/Check"] : []);
    });
  }
}
