/** Starts the server of a test: on a free port, and closed with the test, which fails if closing hangs. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { createServer, type Server, type ServerOptions } from "../../src/server/server.ts";
import { callRoutes } from "./call-service.ts";
import { checkedText } from "./log.ts";
import { ObservedCalls } from "./observed-calls.ts";

export interface RunningServer {
  readonly server: Server;
  readonly host: string;
  readonly port: number;
  /** The address as "host:port". */
  readonly authority: string;
  /** The address as a URL, with https if the server speaks TLS. */
  readonly url: string;
  /** The text of each record that the server logged so far. The test fails if it ends with one that it did not remove. */
  readonly log: string[];
  /** The texts on limits that were reached. */
  readonly limits: string[];
}

const CLOSE_MS = 5_000;

/** The HTTP/2 implementation and the fast path of all tests, by variables of the environment. */
const HTTP2 = process.env.HTTP2 === "node" ? "node" : "built-in";
const FAST_PATH = process.env.FAST_PATH !== "off";
/** Observes the calls of all tests, by a variable of the environment. */
const OBSERVER = process.env.OBSERVER === "on";

/** Starts a server. By default it serves `callRoutes` and the home page, with the default options of `createServer`. */
export async function startServer(
  t: TestContext,
  options: Partial<ServerOptions> = {},
  on = "127.0.0.1",
): Promise<RunningServer> {
  const log: string[] = [];
  const limits: string[] = [];
  const { http2 = HTTP2, fastPath = FAST_PATH } = options;
  let saysNode = false;
  const observed = OBSERVER ? new ObservedCalls() : undefined;
  const server = createServer({
    routes: callRoutes,
    homePage: true,
    ...(observed !== undefined && { observer: observed.observer }),
    ...options,
    log(record) {
      const text = checkedText(record);
      if (record.event === "node_http2") saysNode = true;
      else if (options.log !== undefined) options.log(record);
      else (record.event === "limit" ? limits : log).push(text);
    },
    http2,
    fastPath,
  });
  const scheme = options.tls === undefined ? "http" : "https";
  const { address: host, port } = await server.listen({ host: on, port: 0 });
  t.after(async () => {
    const started = performance.now();
    await server.close({ delayMs: 0, idleMs: 0, graceMs: CLOSE_MS, abortMs: CLOSE_MS });
    if (performance.now() - started >= CLOSE_MS) throw new Error(`close the test's server: hung for ${CLOSE_MS} ms`);
    assert.equal(saysNode, http2 === "node");
    observed?.check();
    if (log.length > 0) throw new Error(`the server logged what the test did not expect:\n${log.join("\n")}`);
  });
  return { server, host, port, authority: `${host}:${port}`, url: `${scheme}://${host}:${port}`, log, limits };
}
