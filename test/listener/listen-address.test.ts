/** Tests the addresses that a server listens on: ports, Unix domain sockets, inherited sockets and invalid ones. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import { isLoopback } from "../../src/server/listener/listen-address.ts";
import { peerKey } from "../../src/server/rpc/context-values.ts";
import { createServer, type Server, type ServerOptions } from "../../src/server/server.ts";
import { callRoutes } from "../support/call-service.ts";
import { AUTHORITY, SERVER } from "../support/certificates.ts";
import { ROOT, run } from "../support/command.ts";
import { HTTP_VERSIONS, type HttpVersion, send } from "../support/http.ts";
import { findJudge } from "../support/judge.ts";
import { checkedText } from "../support/log.ts";
import { echoRoutes } from "../support/protos.ts";

const CALL = {
  path: "/calls.v1.CallService/Add",
  headers: { "content-type": "application/json" },
  body: '{"a":1,"b":2}',
};

for (const [address, expected] of [
  ["127.0.0.1", true],
  ["127.255.255.254", true],
  ["::1", true],
  ["0:0:0:0:0:0:0:1", true],
  ["::1%lo", true],
  ["::ffff:127.0.0.1", true],
  ["::ffff:7f00:1", true],
  ["128.0.0.1", false],
  ["0.0.0.0", false],
  ["::", false],
  ["::ffff:10.0.0.1", false],
  ["fe80::1%eth0", false],
] as const) {
  test(`${address} is ${expected ? "a" : "not a"} loopback address`, () => {
    assert.equal(isLoopback(address), expected);
  });
}

interface OnPath {
  readonly server: Server;
  readonly folder: string;
  readonly path: string;
  readonly log: string[];
}

async function listenOnPath(t: TestContext, options: Partial<ServerOptions> = {}): Promise<OnPath> {
  const folder = await mkdtemp(join(tmpdir(), "listen-"));
  const path = join(folder, "socket");
  const log: string[] = [];
  const server = createServer({
    routes: callRoutes,
    homePage: true,
    log: (record) => log.push(checkedText(record)),
    ...options,
  });
  t.after(async () => {
    await server.close({ idleMs: 0 });
    await rm(folder, { recursive: true });
  });
  assert.equal(await server.listen({ path }), path);
  return { server, folder, path, log };
}

function over(path: string, secure: boolean, version: HttpVersion) {
  const ALPNProtocols = [version === "HTTP/2" ? "h2" : "http/1.1"];
  const trust = { ca: AUTHORITY.cert, servername: "localhost", ALPNProtocols };
  return { createConnection: () => (secure ? tls.connect({ path, ...trust }) : net.connect({ path })) };
}

for (const secure of [false, true]) {
  const how = secure ? "over TLS" : "plain";
  const options = { tls: secure ? SERVER : undefined };
  const scheme = secure ? "https" : "http";

  for (const version of HTTP_VERSIONS) {
    test(`calls by a Unix domain socket are served, ${how}, over ${version}`, async (t) => {
      const peers: unknown[] = [];
      const { path, log } = await listenOnPath(t, {
        ...options,
        interceptors: [
          (next) => (request) => {
            const peer = request.contextValues.get(peerKey);
            peers.push([peer?.address, peer?.port, peer?.certificate]);
            return next(request);
          },
        ],
      });
      for (let i = 0; i < 2; i++) {
        const { status, body } = await send(version, `${scheme}://localhost`, CALL, over(path, secure, version));
        assert.deepEqual([status, body.toString()], [200, '{"sum":3}']);
      }
      // Browsers can connect only through a proxy, which may name any host.
      const foreign = {
        method: "GET",
        path: "/",
        headers: { [version === "HTTP/2" ? ":authority" : "host"]: "a.example" },
      };
      const { status } = await send(version, `${scheme}://localhost`, foreign, over(path, secure, version));
      assert.equal(status, 200);
      assert.deepEqual(peers, Array(2).fill([undefined, undefined, undefined]));
      assert.deepEqual(log, []); // the bytes do not leave the machine, so the server does not warn
    });
  }

  for (const args of [
    "curl -sS --http1.1",
    secure ? "curl -sS --http2" : "curl -sS --http2-prior-knowledge",
    `grpcurl -unix ${secure ? "-authority localhost" : "-plaintext"}`,
  ]) {
    test(`${args} calls by a Unix domain socket, ${how}`, async (t) => {
      const [tool = "", ...flags] = args.split(" ");
      const command = findJudge(t, tool);
      if (command === undefined) return;
      const { folder, path } = await listenOnPath(t, options);
      const ca = join(folder, "ca");
      await writeFile(ca, AUTHORITY.cert);
      const data = ["-d", CALL.body];
      const words =
        tool === "curl"
          ? [
              ...(secure ? ["--cacert", ca] : []),
              "--unix-socket",
              path,
              "-H",
              "content-type: application/json",
              ...data,
            ]
          : [...(secure ? ["-cacert", ca] : []), ...data];
      const target = tool === "curl" ? [`${scheme}://localhost${CALL.path}`] : [path, CALL.path.slice(1)];
      const { code, stdout, stderr } = await run(command, [...flags, ...words, ...target]);
      assert.match(stdout + stderr, /"sum": ?3/);
      assert.equal(code, 0);
    });
  }

  test(`a server on a Unix domain socket refuses an unknown protocol, and logs it, ${how}`, async (t) => {
    const { path, log } = await listenOnPath(t, options);
    const socket = net.connect({ path });
    socket.write(secure ? "GET / HTTP/1.1\r\n\r\n" : Buffer.of(0x16, 3, 1, 0, 5));
    assert.match(
      Buffer.concat(await socket.toArray()).toString(),
      /^HTTP\/1\.0 400 .*this port (speaks TLS|is plain)/s,
    );
    const reason = secure ? "it speaks plain text, and this port speaks TLS" : "it speaks TLS, and this port is plain";
    assert.deepEqual(log, [`refuse a connection: ${reason}`]);
  });

  test(`a socket that a parent process listened on is served by its file descriptor, ${secure ? "of a path" : "of a port"}`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "listen-"));
    const [path, renamed] = [join(folder, "socket"), join(folder, "renamed")];
    const listener = net.createServer().listen(secure ? { path } : { port: 0, host: "127.0.0.1" });
    await once(listener, "listening");
    const bound = listener.address() as net.AddressInfo | string;
    const { fd } = (listener as unknown as { _handle: { fd: number } })._handle;
    const args = ["test/fixtures/inherited.ts"];
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["pipe", "pipe", "inherit", fd] });
    t.after(async () => {
      child.kill("SIGKILL");
      await rm(folder, { recursive: true });
    });
    if (secure) await rename(path, renamed); // which `close` would remove
    listener.close();
    const [line] = await once(child.stdout as Readable, "data");
    assert.deepEqual(JSON.parse(String(line)), secure ? "" : bound);
    const createConnection = () =>
      typeof bound === "string" ? net.connect(renamed) : net.connect(bound.port, bound.address);
    const { body } = await send("HTTP/1.1", "http://localhost", CALL, { createConnection });
    assert.equal(body.toString(), '{"sum":3}');
    child.stdin?.end();
    assert.deepEqual(await once(child, "exit"), [0, null]);
  });
}

test("a closing server ends all handshakes by a Unix domain socket, but not the calls", async (t) => {
  const running = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const { server, path } = await listenOnPath(t, {
    tls: SERVER,
    routes: echoRoutes({
      async say(request) {
        running.resolve();
        await go.promise;
        return request;
      },
    }),
  });
  const slow = Array.from({ length: 5 }, () => net.connect({ path }).on("error", () => {}));
  for (const socket of slow) socket.write(Buffer.of(0x16, 3, 1)); // only the start of a handshake
  await sleep(50);
  const call = { path: "/fixture.Echo/Say", headers: CALL.headers, body: '"x"' };
  const answer = send("HTTP/1.1", "https://localhost", call, over(path, true, "HTTP/1.1"));
  await running.promise;
  const closed = server.close({ idleMs: 0, graceMs: 10_000 });
  const cut = Promise.all(slow.map(async (socket) => socket.closed || once(socket.resume(), "close")));
  assert.notEqual(await Promise.race([cut, sleep(5_000, "open")]), "open", "a handshake is open still");
  go.resolve();
  assert.equal((await answer).body.toString(), '"x"');
  assert.equal(await closed, 0);
});

test("a port without a host is on loopback", async () => {
  const server = createServer({ routes: callRoutes });
  const { address, port } = await server.listen({ port: 0 });
  assert.deepEqual([address, port > 0], ["127.0.0.1", true]);
  await server.close({ idleMs: 0 });
});

const FORMS = "must be { port, host }, { path } or { fd }";
for (const [address, message] of [
  [undefined, `undefined ${FORMS}`],
  [null, `null ${FORMS}`],
  [50051, `50051 ${FORMS}`],
  ["server.sock", `"server.sock" ${FORMS}`],
  [{}, `no address; ${FORMS}`],
  [{ host: "127.0.0.1" }, "port undefined must be a whole number from 0 to 65535"],
  [{ port: undefined, host: undefined }, `no address; ${FORMS}`],
  [{ port: 1, path: "/a" }, `more than one address; ${FORMS}`],
  [{ path: "/a", host: "127.0.0.1" }, `more than one address; ${FORMS}`],
  [{ path: "/a", fd: 3 }, `more than one address; ${FORMS}`],
  [{ port: 65_536 }, "port 65536 must be a whole number from 0 to 65535"],
  [{ port: -1 }, "port -1 must be a whole number from 0 to 65535"],
  [{ port: 1.5 }, "port 1.5 must be a whole number from 0 to 65535"],
  [{ port: "80" }, 'port "80" must be a whole number from 0 to 65535'],
  [{ port: Number.NaN }, "port NaN must be a whole number from 0 to 65535"],
  [{ port: 0, host: "" }, 'host "" must be a string that is not empty'],
  [{ port: 0, host: 1 }, "host 1 must be a string that is not empty"],
  [{ path: "" }, 'path "" must be a string that is not empty'],
  [{ path: 1 }, "path 1 must be a string that is not empty"],
  [{ fd: -1 }, "fd -1 must be a whole number from 0 on"],
  [{ fd: "3" }, 'fd "3" must be a whole number from 0 on'],
  [{ port: 0, backlog: 5 }, `unknown option "backlog"; ${FORMS}`],
] as const) {
  test(`listen refuses ${JSON.stringify(address)}`, async () => {
    const server = createServer({ routes: callRoutes });
    await assert.rejects(server.listen(address as never), { name: "TypeError", message: `listen: ${message}` });
    await server.close();
  });
}

test("an address that cannot be bound rejects with Node's error", async () => {
  const server = createServer({ routes: callRoutes });
  await assert.rejects(server.listen({ path: "/no/such/folder/socket" }), { code: /^(ENOENT|EACCES)$/ });
  await assert.rejects(server.listen({ fd: 999_999 }), { code: "EINVAL" });
  await server.close();
});
