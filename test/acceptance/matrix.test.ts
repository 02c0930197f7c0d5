/** Tests a unary call in every protocol, codec and HTTP version, with and without TLS. */
import { test } from "node:test";
import { CELLS, TLS_CELLS } from "../support/cells.ts";
import { runCases } from "../support/run-cases.ts";
import { startServer } from "../support/server.ts";

for (const cell of [...CELLS, ...TLS_CELLS]) {
  test(`in ${cell.name}`, async (t) => {
    const { url } = await startServer(t, { tls: cell.tls });
    await runCases(t, cell, url);
  });
}
