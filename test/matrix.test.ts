/** GetSum in every protocol, codec and HTTP version, over the one server. */
import { test } from "node:test";
import { CELLS } from "./support/cells.ts";
import { runCases } from "./support/run-cases.ts";
import { startServer } from "./support/server.ts";

for (const cell of CELLS) {
  test(`in ${cell.name}`, async (t) => {
    const { authority } = await startServer(t);
    await runCases(t, cell, authority);
  });
}
