/** What h2spec says of the server: it judges by RFC 7540, and request.test.ts tests what RFC 9113 made stricter. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { OK } from "./support/bench.ts";
import { startServer } from "./support/server.ts";

const BODY = Buffer.from("a body that its windows can cut");

test("h2spec finds nothing wrong, in all that it knows, strictly", async (t) => {
  const server = await startServer(t, (exchange) =>
    exchange.gather(
      1 << 20,
      () => exchange.respond(OK, BODY),
      () => exchange.reset(),
    ),
  );
  const args = ["generic", "http2", "hpack", "--strict", "--timeout", "5"];
  const h2spec = spawn("h2spec", [...args, "--host", "127.0.0.1", "--port", String(server.port)]);
  let said = "";
  h2spec.stdout.on("data", (part) => {
    said += part;
  });
  const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    h2spec.on("error", resolve).on("close", () => resolve(undefined));
  });
  if (error?.code === "ENOENT" && process.env.CI === undefined) {
    t.skip("h2spec is not on the PATH");
    return;
  }
  assert.equal(error, undefined);
  assert.match(said, /\n(\d+) tests, \1 passed, 0 skipped, 0 failed\n/, said.slice(said.indexOf("Failures:")));
});
