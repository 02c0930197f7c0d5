/** h2spec, the outside judge of HTTP/2 itself, strictly. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpsServer } from "node:https";
import net from "node:net";
import { test } from "node:test";
import type { Exchange } from "../../src/server/exchange.ts";
import { DEFAULT_LIMITS } from "../../src/server/limits.ts";
import { httpsOptions, splitByAlpn } from "../../src/server/tls.ts";
import { SERVER } from "../support/certificates.ts";
import { run } from "../support/command.ts";
import { findJudge } from "../support/judge.ts";
import { createTestHttp2 } from "./support/server.ts";

for (const tls of [false, true]) {
  test(`h2spec passes whole, and skips nothing, where only HTTP/2 is spoken, ${tls ? "over TLS" : "plain"}`, async (t) => {
    const command = findJudge(t, "h2spec");
    if (command === undefined) return;
    const http2 = createTestHttp2(answerWholeRequest);
    const accept = (socket: net.Socket) => http2.accept(socket);
    const server = tls ? createTls(accept) : net.createServer(accept);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => {
      http2.destroy();
      server.close();
    });
    const { port } = server.address() as net.AddressInfo;
    const flags = ["--strict", "-p", String(port), ...(tls ? ["--tls", "--insecure"] : [])];
    const { stdout } = await run(command, [...flags, "generic", "http2", "hpack"], { timeout: 60_000 });
    assert.match(stdout, /^(\d+) tests, \1 passed, 0 skipped, 0 failed$/m, stdout.slice(stdout.indexOf("Failures:")));
  });
}

/** The server's own way over TLS, where the client asks for HTTP/2 by name. */
function createTls(http2: (socket: net.Socket) => void): net.Server {
  const server = createHttpsServer(httpsOptions(SERVER, 10_000));
  const refused = (reason: string) => assert.fail(reason);
  splitByAlpn(server, { http2, limits: DEFAULT_LIMITS, onLimit: refused, onRefused: refused });
  return server;
}

/** Waits for the request's end, since h2spec judges what comes before that by the absence of an answer. */
function answerWholeRequest(exchange: Exchange): void {
  const head = { status: 200, fields: [] };
  exchange.gather(
    Number.POSITIVE_INFINITY,
    () => exchange.respond(head, Buffer.from("answer")),
    () => exchange.reset(),
  );
}
