/**
 * Tests that a server shuts down without losing calls that can still get a response, and logs the number of lost ones.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/health/v1/health_pb.ts";
import { createServer } from "../../src/server/server.ts";
import { CELLS, callIn } from "../support/cells.ts";
import { ENV, ROOT } from "../support/command.ts";
import { MAIN, startMain, startProcess } from "../support/process.ts";
import { Echo, echoRoutes } from "../support/protos.ts";
import { connectTo } from "../support/raw.ts";
import { startServer } from "../support/server.ts";

const ANY_PORT = { host: "127.0.0.1", port: 0 };
const PATH = "/fixture.Echo/Say";
const REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

test("during its delay a draining server accepts connections, announces their close, and reports that it is not serving", async (t) => {
  const { server, authority, url } = await startServer(t);
  const closed = server.close({ delayMs: 2_000, idleMs: 0, graceMs: 5_000 });
  const socket = await connectTo(authority);
  socket.write(REQUEST);
  const answer = Buffer.concat(await socket.toArray()).toString();
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(answer, /\r\nConnection: close\r\n/);
  const { status } = await createClient(Health, createGrpcTransport({ baseUrl: url })).check({});
  assert.equal(status, Status.NOT_SERVING);
  assert.equal(await closed, 0);
  await assert.rejects(connectTo(authority), { code: "ECONNREFUSED" });
});

test("a Watch gets NOT_SERVING, and ends when the delay is over", async (t) => {
  const { server, url } = await startServer(t);
  const watch = createClient(Health, createGrpcTransport({ baseUrl: url }))
    .watch({})
    [Symbol.asyncIterator]();
  assert.equal((await watch.next()).value?.status, Status.SERVING);
  const closed = server.close({ delayMs: 50, graceMs: 5_000 });
  assert.equal((await watch.next()).value?.status, Status.NOT_SERVING);
  await assert.rejects(watch.next(), { code: 14 });
  assert.equal(await closed, 0);
});

for (const { idleMs, served } of [
  { idleMs: 5_000, served: true },
  { idleMs: 0, served: false },
]) {
  test(`a request on an idle connection after the start of a drain is ${served ? "served" : "lost"}, with idleMs ${idleMs}`, async (t) => {
    const { server, authority } = await startServer(t);
    const kept = await connectTo(authority);
    kept.write(REQUEST);
    await once(kept, "data");
    const silent = await connectTo(authority);
    const closed = server.close({ idleMs, graceMs: 10_000 });
    await sleep(100);
    for (const socket of [kept, silent]) {
      socket.on("error", () => {}).write(REQUEST);
      const rest = Buffer.concat(await socket.toArray().catch(() => [])).toString();
      assert.equal(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\nConnection: close\r\n/.test(rest), served);
    }
    assert.equal(await closed, 0);
  });
}

test("pipelined requests from before the start of a drain all get responses", async (t) => {
  let running = 0;
  const go = Promise.withResolvers<void>();
  const { server, authority } = await startServer(t, {
    routes: echoRoutes({
      async say(request) {
        running++;
        await go.promise;
        return request;
      },
    }),
  });
  const socket = await connectTo(authority);
  const call = (n: number) =>
    `POST ${PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n"${n}"`;
  socket.write([1, 2, 3, 4].map(call).join(""));
  while (running < 4) await turn();
  const closed = server.close({ idleMs: 100, graceMs: 5_000 });
  go.resolve();
  const answers = Buffer.concat(await socket.toArray()).toString();
  assert.deepEqual(answers.match(/"\d"/g), ['"1"', '"2"', '"3"', '"4"']);
  assert.equal(await closed, 0);
});

test("the rest of a header section is awaited for idleMs at most", async (t) => {
  const { server, authority } = await startServer(t);
  const socket = await connectTo(authority);
  socket.on("error", () => {}).write("GET / HTTP/1.1\r\n");
  await turn();
  assert.equal(await server.close({ idleMs: 50, graceMs: 30_000 }), 0);
});

test("a connection without a call that is open when the time runs out does not count as a lost call", async (t) => {
  const { server, authority } = await startServer(t);
  await connectTo(authority);
  assert.equal(await server.close({ idleMs: 30_000, graceMs: 50, abortMs: 0 }), 0);
});

for (const version of ["built-in", "node"] as const) {
  test(`a server that is closed while it starts to listen closes, and cannot listen again, with HTTP/2 by ${version}`, async () => {
    const server = createServer({ routes: echoRoutes({}), http2: version, log: () => {} });
    const [{ port }, cut] = await Promise.all([server.listen(ANY_PORT), server.close()]);
    assert.deepEqual([port > 0, cut], [true, 0]);
    await assert.rejects(server.listen(ANY_PORT), /^Error: listen on port 0: the server was closed$/);
  });

  test(`a client that keeps its side of the connection open does not keep the server from closing, with HTTP/2 by ${version}`, async (t) => {
    const { server, host, port } = await startServer(t, { http2: version });
    const socket = connect({ host, port, allowHalfOpen: true });
    t.after(() => socket.destroy());
    const settings = "\0\0\0\x04\0\0\0\0\0";
    socket.write(`PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${settings}`, "latin1");
    await once(socket, "data");
    const closing = server.close({ delayMs: 0, idleMs: 0, graceMs: 200, abortMs: 100 });
    assert.equal(await Promise.race([closing, sleep(2_000, "hung")]), 0);
  });

  test(`a server that is closed before it listens cannot listen, with HTTP/2 by ${version}`, async () => {
    const server = createServer({ routes: echoRoutes({}), http2: version, log: () => {} });
    assert.equal(await server.close(), 0);
    await assert.rejects(server.listen(ANY_PORT), /^Error: listen on port 0: the server was closed$/);
  });
}

for (const fastPath of [true, false]) {
  for (const cell of CELLS) {
    test(`a call whose handler runs longer than the grace time ends as unavailable and is counted, ${fastPath ? "with" : "without"} the fast path, in ${cell.name}`, async (t) => {
      let running = 0;
      const { server, authority } = await startServer(t, {
        fastPath,
        routes: echoRoutes({
          say() {
            running++;
            return new Promise(() => {});
          },
        }),
      });
      const message = Buffer.from(cell.codec === "json" ? '"hi"' : "\x0a\x02hi");
      const calls = [1, 2].map(() => callIn(cell, authority, { path: PATH, message }));
      while (running < 2) await turn();
      assert.equal(await server.close({ idleMs: 0, graceMs: 50, abortMs: 0 }), 2);
      for (const { code, message } of await Promise.all(calls)) {
        assert.deepEqual([code, message], ["unavailable", "the server has shut down"]);
      }
    });
  }
}

test("abortMs before the end of the grace time handlers are told to stop, and may still respond", async (t) => {
  let running = 0;
  const { server, url } = await startServer(t, {
    routes: echoRoutes({
      async say(_, { signal }) {
        running++;
        await once(signal, "abort");
        return { value: String(signal.reason.rawMessage) };
      },
    }),
  });
  const call = createClient(Echo, createConnectTransport({ baseUrl: url, httpVersion: "2" })).say({});
  while (running < 1) await turn();
  assert.equal(await server.close({ graceMs: 10_000, abortMs: 9_950 }), 0);
  assert.equal((await call).value, "the server is shutting down");
});

test("a process whose time to drain runs out logs the number of lost calls, and exits with 1", async (t) => {
  const flags = ["--grace-ms", "200", "--abort-ms", "100", "--drain-idle-ms", "10"];
  const { child, exit, authority, stderr } = await startMain(t, ...flags);
  const socket = await connectTo(authority);
  socket.on("error", () => {});
  socket.write(
    "POST /calls.v1.CallService/Add HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
  );
  await sleep(100); // it is there
  child.kill("SIGTERM");
  assert.equal(await exit, 1);
  assert.match(stderr(), /^drain: timed out after 200 ms; calls that were cut: 1$/m);
});

test("a timer, like one of a handler without a caller, keeps the process until the end of the grace time", async (t) => {
  const handler = "data:text/javascript,setInterval(() => {}, 60_000)";
  const flags = ["--port", "0", "--grace-ms", "200", "--abort-ms", "100"];
  const { child, exit, stderr } = await startProcess(t, "node", "--import", handler, MAIN, ...flags);
  child.kill("SIGTERM");
  assert.equal(await exit, 1);
  assert.match(stderr(), /^drain: timed out after 200 ms; all calls have ended, but something holds the process$/m);
});

test("without connections the exit code is 0, even with the shortest grace time", async (t) => {
  const { child, exit, stderr } = await startMain(t, "--grace-ms", "0");
  child.kill("SIGTERM");
  assert.equal(await exit, 0);
  assert.doesNotMatch(stderr(), /drain|Warning/);
});

test("a signal before the server listens ends it at once with exit code 0", async (t) => {
  const slow = `data:text/javascript,import dns from "node:dns"; dns.lookup = () => console.log("looking it up");
    setInterval(() => {}, 60_000)`;
  const child = spawn(process.execPath, ["--import", slow, MAIN, "--port", "0"], { cwd: ROOT, env: ENV });
  t.after(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
  child.kill("SIGTERM");
  assert.deepEqual(await once(child, "exit"), [0, null]);
});
