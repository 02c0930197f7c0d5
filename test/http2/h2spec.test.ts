/** h2spec, the outside judge of HTTP/2 itself, strictly. */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import type { Exchange } from "../../src/server/exchange.ts";
import { run } from "../support/command.ts";
import { findJudge } from "../support/judge.ts";
import { createTestHttp2 } from "./support/server.ts";

test("h2spec passes whole, and skips nothing, on a port where only HTTP/2 is spoken", async (t) => {
  const command = findJudge(t, "h2spec");
  if (command === undefined) return;
  const http2 = createTestHttp2(answerWholeRequest);
  const server = net.createServer((socket) => http2.accept(socket)).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    http2.destroy();
    server.close();
  });
  const { port } = server.address() as net.AddressInfo;
  const args = ["--strict", "-p", String(port), "generic", "http2", "hpack"];
  const { stdout } = await run(command, args, { timeout: 60_000 });
  assert.match(stdout, /^(\d+) tests, \1 passed, 0 skipped, 0 failed$/m, stdout.slice(stdout.indexOf("Failures:")));
});

/** Waits for the request's end, since h2spec judges what comes before that by the absence of an answer. */
function answerWholeRequest(exchange: Exchange): void {
  const head = { status: 200, fields: [] };
  exchange.gather(
    Number.POSITIVE_INFINITY,
    () => exchange.respond(head, Buffer.from("answer")),
    () => exchange.reset(),
  );
}
