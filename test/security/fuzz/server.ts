/**
 * Starts the servers that are fuzzed, with and without the fast path. They may log limits only, and must not keep
 * connections.
 */
import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { createServer } from "../../../src/server/server.ts";
import { send } from "../../support/http.ts";
import { checkedText } from "../../support/log.ts";
import { echoRoutes } from "../../support/protos.ts";

/** Milliseconds in which an idle server closes. */
const CLOSE_MS = 10_000;
const GOOD = { path: "/fixture.Echo/Say", headers: { "content-type": "application/json" }, body: '"good"' };

/** Each method returns its request. */
const routes = echoRoutes({
  say: async (request) => request,
  async *repeat(request) {
    yield request;
  },
  async join(requests) {
    return { value: (await Array.fromAsync(requests, ({ value }) => value)).join("") };
  },
  async *chat(requests) {
    yield* requests;
  },
});

export interface FuzzedServer {
  readonly authority: string;
  /** Fails unless a good call succeeds over both HTTP versions and the log has no error. */
  check(): Promise<void>;
  /** Closes the server. Throws if a call is still in flight. */
  close(): Promise<void>;
}

export async function startFuzzed(fastPath: boolean): Promise<FuzzedServer> {
  const log: string[] = [];
  const sockets = new Set<Socket>();
  const onSocket = (message: unknown): void => {
    const { socket } = message as { socket: Socket };
    if (socket.localPort !== port) return;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  };
  const expected = /^(?:limit |refuse a browser that names host )/;
  const server = createServer({
    routes,
    fastPath,
    log: (record) => expected.test(record.message) || log.push(checkedText(record)),
  });
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
  subscribe("net.server.socket", onSocket);
  const authority = `127.0.0.1:${port}`;
  return {
    authority,
    async check() {
      assert.deepEqual(log, []);
      for (const version of ["HTTP/1.1", "HTTP/2"] as const) {
        const { status, body } = await send(version, authority, GOOD);
        assert.deepEqual({ status, body: body.toString() }, { status: 200, body: GOOD.body });
      }
    },
    async close() {
      const end = Date.now() + CLOSE_MS;
      while (sockets.size > 0 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
      unsubscribe("net.server.socket", onSocket);
      assert.equal(sockets.size, 0, "connections are left that nobody has");
      const begun = Date.now();
      await server.close({ idleMs: 0, graceMs: CLOSE_MS, abortMs: CLOSE_MS });
      assert.ok(Date.now() - begun < CLOSE_MS, "something is still under way");
      assert.deepEqual(log, []);
    },
  };
}
