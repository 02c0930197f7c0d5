/** Tests that an error of the application's log function ends neither a call nor the process. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createServer } from "../../src/server/server.ts";
import { CELLS, callIn } from "../support/cells.ts";
import { echoRoutes } from "../support/protos.ts";

const HI = { proto: Buffer.from("\x0a\x02hi"), json: Buffer.from('"hi"') };

for (const [what, log] of [
  [
    "throws",
    () => {
      throw new Error("the disk is full");
    },
  ],
  ["returns a promise that rejects", () => Promise.reject(new Error("the disk is full"))],
] as const) {
  for (const fastPath of [true, false]) {
    test(`entries go to console.error if the log ${what}, ${fastPath ? "with" : "without"} the fast path`, async (t) => {
      const written = t.mock.method(console, "error", () => {});
      const routes = echoRoutes({
        say() {
          throw new TypeError("no such table");
        },
      });
      const fallback = (): never => {
        throw new Error("no such page");
      };
      const server = createServer({ routes, fastPath, fallback, log });
      t.after(() => server.close());
      const { port } = await server.listen({ port: 0 });
      for (const cell of CELLS) {
        const call = { path: "/fixture.Echo/Say", message: HI[cell.codec] };
        assert.equal((await callIn(cell, `127.0.0.1:${port}`, call)).code, "internal", cell.name);
      }
      const page = await fetch(`http://127.0.0.1:${port}/page`, { headers: { connection: "close" } });
      assert.equal(page.status, 500);
      await page.text();
      const entries = written.mock.calls.map(({ arguments: [entry] }) => String(entry));
      for (const cause of [
        /^handle \/fixture\.Echo\/Say by \w+: TypeError: no such table/,
        /^respond to GET "\/page": /,
      ]) {
        const i = entries.findIndex((each) => cause.test(each));
        assert.match(String(entries[i + 1]), /^write a log entry: Error: the disk is full\n/);
      }
    });
  }
}
