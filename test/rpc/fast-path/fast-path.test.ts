/** Deadlines, signals and limits on the fast path, and calls that it leaves to Connect's handlers. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Interceptor } from "@connectrpc/connect";
import { CELLS, callIn, isGrpc } from "../../support/cells.ts";
import { Echo, echoRoutes } from "../../support/protos.ts";
import { connectTo, turns } from "../../support/raw.ts";
import { startServer } from "../../support/server.ts";

const SAY = "/fixture.Echo/Say";
const never = new Promise<never>(() => {});

for (const cell of CELLS) {
  const message = cell.codec === "proto" ? Buffer.from("\x0a\x02hi") : Buffer.from('"hi"');
  const timeout = isGrpc(cell) ? "30m" : "30";

  for (const fastPath of [true, false]) {
    const which = fastPath ? "with" : "without";
    test(`at its deadline a call ends with deadline_exceeded, even if its handler still runs, ${which} the fast path, in ${cell.name}`, async (t) => {
      const { authority } = await startServer(t, { fastPath, routes: echoRoutes({ say: () => never }) });
      assert.equal((await callIn(cell, authority, { path: SAY, message, timeout })).code, "deadline_exceeded");
    });

    test(`a timeout above the maximum of a timer does not end a call immediately, ${which} the fast path, in ${cell.name}`, async (t) => {
      const say = () => sleep(20).then(() => ({ value: "hi" }));
      const { authority } = await startServer(t, { fastPath, routes: echoRoutes({ say }) });
      for (const long of isGrpc(cell) ? ["99999999H", "99999999M", "2147484S"] : ["9999999999", "2147483648"]) {
        assert.equal((await callIn(cell, authority, { path: SAY, message, timeout: long })).code, "ok", long);
      }
    });
  }

  test(`a response after the deadline is deadline_exceeded, also from a synchronous handler, in ${cell.name}`, async (t) => {
    const { authority } = await startServer(t, {
      fastPath: true,
      routes: echoRoutes({
        say() {
          const end = performance.now() + 40;
          while (performance.now() < end);
          return { value: "late" };
        },
      }),
    });
    assert.equal((await callIn(cell, authority, { path: SAY, message, timeout })).code, "deadline_exceeded");
  });

  test(`the deadline aborts the signal of a handler, in ${cell.name}`, async (t) => {
    const reason = Promise.withResolvers<unknown>();
    const { authority } = await startServer(t, {
      fastPath: true,
      routes: echoRoutes({
        async say(_, { signal }) {
          await once(signal, "abort");
          reason.resolve(signal.reason);
          return { value: "late" };
        },
      }),
    });
    assert.equal((await callIn(cell, authority, { path: SAY, message, timeout })).code, "deadline_exceeded");
    assert.match(String(await reason.promise), /deadline_exceeded/);
  });
}

const CELL = CELLS.find(({ name }) => name === "gRPC proto over HTTP/2") as (typeof CELLS)[number];
const call = { path: SAY, message: Buffer.from("\x0a\x02hi") };

for (const fastPath of [true, false]) {
  for (const { callsInFlight, code } of [
    { callsInFlight: 2, code: "unavailable" },
    { callsInFlight: Number.POSITIVE_INFINITY, code: "deadline_exceeded" },
  ]) {
    test(`with callsInFlight ${callsInFlight}, a call is ${code} while two handlers run after their deadlines, ${fastPath ? "with" : "without"} the fast path`, async (t) => {
      const end = Promise.withResolvers<{ value: string }>();
      const { authority } = await startServer(t, {
        fastPath,
        limits: { callsInFlight },
        routes: echoRoutes({ say: () => end.promise }),
      });
      const timed = { ...call, timeout: "20m" };
      for (let i = 0; i < 2; i++) assert.equal((await callIn(CELL, authority, timed)).code, "deadline_exceeded");
      assert.equal((await callIn(CELL, authority, timed)).code, code);
      end.resolve({ value: "at last" });
      await turns();
      assert.equal((await callIn(CELL, authority, timed)).code, "ok");
    });
  }
}

test("fifty calls with deadlines share one timer", async (t) => {
  let waiting = 0;
  const response = Promise.withResolvers<{ value: string }>();
  const { authority } = await startServer(t, {
    fastPath: true,
    routes: echoRoutes({
      say() {
        waiting++;
        return response.promise;
      },
    }),
  });
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const calls = Array.from({ length: 50 }, () => callIn(CELL, authority, { ...call, timeout: "60S" }));
  while (waiting < 1) await turns();
  const withOne = timers();
  while (waiting < 50) await turns();
  assert.ok(timers() <= withOne + 1, `${timers()} timers`);
  response.resolve({ value: "hi" });
  for (const { code } of await Promise.all(calls)) assert.equal(code, "ok");
});

test("each of many deadlines ends its own call", async (t) => {
  const { authority } = await startServer(t, {
    fastPath: true,
    routes: echoRoutes({
      say: (_, { timeoutMs }) => ((timeoutMs() ?? 0) > 1000 ? sleep(120, { value: "in time" }) : never),
    }),
  });
  const timeouts = ["60S", "20m", "80m", "50m", "70S", "20m", "1n"];
  const outcomes = await Promise.all(timeouts.map((timeout) => callIn(CELL, authority, { ...call, timeout })));
  const late = "deadline_exceeded";
  assert.deepEqual(
    outcomes.map(({ code }) => code),
    ["ok", late, late, late, "ok", late, late],
  );
});

test("options of a registration apply on the fast path too", async (t) => {
  let intercepted = 0;
  const interceptor: Interceptor = (next) => (request) => {
    intercepted++;
    return next(request);
  };
  const { authority } = await startServer(t, {
    fastPath: true,
    routes: (router) => router.service(Echo, { say: (request) => request }, { interceptors: [interceptor] }),
  });
  assert.equal((await callIn(CELL, authority, call)).code, "ok");
  assert.equal(intercepted, 1);
});

test("readMaxBytes of a registration is the maximum, inclusive", async (t) => {
  const { authority } = await startServer(t, {
    fastPath: true,
    routes: (router) => router.service(Echo, { say: (request) => request }, { readMaxBytes: 4 }),
  });
  assert.equal((await callIn(CELL, authority, call)).code, "ok");
  const { code } = await callIn(CELL, authority, { path: SAY, message: Buffer.from("\x0a\x03hi!") });
  assert.equal(code, "resource_exhausted");
});

for (const fastPath of [true, false]) {
  for (const http of ["HTTP/1.1", "HTTP/2"] as const) {
    const cell = { ...CELL, http };
    test(`a response that cannot be sent resets its call, and is logged, over ${http}, ${fastPath ? "with" : "without"} the fast path`, async (t) => {
      const { authority, log } = await startServer(t, {
        fastPath,
        http2: "built-in", // node:http2 sends it
        routes: echoRoutes({
          say(request, { responseHeader }) {
            if (request.value === "hi") responseHeader.set("x-header", "a\x01b"); // which Headers accepts
            return request;
          },
        }),
      });
      await assert.rejects(callIn(cell, authority, call));
      assert.match(log.splice(0).join("\n"), /^respond to \/fixture\.Echo\/Say: .*x-header/);
      assert.equal((await callIn(cell, authority, { path: SAY, message: Buffer.from("\x0a\x02ho") })).code, "ok");
    });
  }
}

for (const fastPath of [true, false]) {
  test(`a handler that returns undefined sends an empty message, ${fastPath ? "with" : "without"} the fast path`, async (t) => {
    const { authority } = await startServer(t, { fastPath, routes: echoRoutes({ say: (() => undefined) as never }) });
    for (const http of ["HTTP/1.1", "HTTP/2"] as const) {
      const { code, body } = await callIn({ ...CELL, http }, authority, call);
      assert.deepEqual([code, body.length], ["ok", 0]);
    }
  });

  for (const http of ["HTTP/1.1", "HTTP/2"] as const) {
    test(`a signal that is first read after the client has disconnected is aborted, over ${http}, ${fastPath ? "with" : "without"} the fast path`, async (t) => {
      const reason = Promise.withResolvers<unknown>();
      const called = Promise.withResolvers<void>();
      const gone = Promise.withResolvers<void>();
      const { authority } = await startServer(t, {
        fastPath,
        routes: echoRoutes({
          async say(request, context) {
            called.resolve();
            await gone.promise;
            reason.resolve(context.signal.reason);
            return request;
          },
        }),
      });
      const leave = await startCall(http, authority);
      await called.promise;
      leave();
      await turns(20);
      gone.resolve();
      assert.match(String(await reason.promise), /\[canceled\] the caller went away/);
    });
  }
}

/** Calls Say, and returns a function that closes the connection. */
async function startCall(http: "HTTP/1.1" | "HTTP/2", authority: string): Promise<() => void> {
  if (http === "HTTP/1.1") {
    const socket = await connectTo(authority);
    socket.write(
      `POST ${SAY} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/proto\r\nContent-Length: 4\r\n\r\n`,
    );
    socket.write(call.message);
    return () => socket.destroy();
  }
  const session = http2.connect(`http://${authority}`);
  session.on("error", () => {});
  const stream = session.request({ ":method": "POST", ":path": SAY, "content-type": "application/proto" });
  stream.on("error", () => {});
  stream.end(call.message);
  return () => session.destroy();
}

test("a signal that is first read after the deadline is aborted with deadline_exceeded", async (t) => {
  const reason = Promise.withResolvers<unknown>();
  const { authority } = await startServer(t, {
    fastPath: true,
    routes: echoRoutes({
      async say(request, context) {
        await sleep(60);
        reason.resolve(context.signal.reason);
        return request;
      },
    }),
  });
  assert.equal((await callIn(CELL, authority, { ...call, timeout: "20m" })).code, "deadline_exceeded");
  assert.match(String(await reason.promise), /deadline_exceeded/);
});
