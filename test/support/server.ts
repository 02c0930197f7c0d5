/** The one way a test starts a server: on a free port, closed with the test, and a close that hangs fails it. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { routes } from "../../src/routes.ts";
import { createServer, type Server, type ServerOptions } from "../../src/server/server.ts";

export interface RunningServer {
  readonly server: Server;
  readonly host: string;
  readonly port: number;
  /** "host:port", and "http://host:port", or https where it speaks TLS. */
  readonly authority: string;
  readonly url: string;
  /** What the server logged so far. A test that ends with an entry it did not take fails. */
  readonly log: string[];
  /** The lines of these on limits that were met. */
  readonly limits: string[];
}

const CLOSE_MS = 5_000;

/** Which HTTP/2 the tests run on, and whether unary calls take the fast path. */
const HTTP2 = process.env.HTTP2 === "node" ? "node" : "built-in";
const FAST_PATH = process.env.FAST_PATH !== "off";

/** Starts the service's server, or one of other options. */
export async function startServer(
  t: TestContext,
  options: Partial<ServerOptions> = {},
  on = "127.0.0.1",
): Promise<RunningServer> {
  const log: string[] = [];
  const limits: string[] = [];
  const { http2 = HTTP2, fastPath = FAST_PATH } = options;
  let saysNode = false;
  const keep = options.log ?? ((entry: string) => (entry.startsWith("limit ") ? limits : log).push(entry));
  const server = createServer({
    routes,
    ...options,
    log(entry) {
      if (entry.startsWith("HTTP/2 is node:http2, which does not enforce every limit")) saysNode = true;
      else keep(entry);
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
    if (log.length > 0) throw new Error(`the server logged what the test did not expect:\n${log.join("\n")}`);
  });
  return { server, host, port, authority: `${host}:${port}`, url: `${scheme}://${host}:${port}`, log, limits };
}
