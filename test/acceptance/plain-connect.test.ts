/** Runs the cases with Connect's own adapter on node:http2, and lists the intended differences of this server. */
import { once } from "node:events";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { callRoutes } from "../support/call-service.ts";
import type { Expected } from "../support/cases.ts";
import { CELLS, type Cell, isGrpc } from "../support/cells.ts";
import { runCases } from "../support/run-cases.ts";

const INTERNAL: Expected = { code: "internal" };

/**
 * The responses of Connect's adapter that differ from those of this server, by the names of the cases; null without a
 * response.
 */
const DIFFERENCES: Readonly<Record<string, (cell: Cell) => Expected | null | undefined>> = {
  // This server blames the caller for a message that cannot be decoded, in every codec and encoding.
  "a field cut after its tag": () => INTERNAL,
  "a field cut in its varint": () => INTERNAL,
  "a field longer than the message": () => INTERNAL,
  "a tag of field number 0": () => INTERNAL,
  "a wire type that does not exist": () => INTERNAL,
  "gzip cut short": () => INTERNAL,
  "brotli cut short": () => INTERNAL,
  "invalid base64": () => INTERNAL,
  "bytes that are not text, without base64": () => null, // a wrong sum
  // The error message cannot be percent-encoded.
  "a string that is not valid Unicode": (cell) => (isGrpc(cell) ? null : undefined),
  // This server requires a message in a GET (Connect, "Unary-Get-Request").
  "no message at all": ({ protocol, codec }) =>
    protocol === "Connect GET" && codec === "proto" ? { sum: 0 } : undefined,
};

for (const cell of CELLS.filter(({ http }) => http === "HTTP/2")) {
  test(`under Connect's own adapter, in ${cell.name}`, async (t) => {
    const authority = await startPlainConnect(t);
    await runCases(t, cell, authority, (each) => {
      const difference = DIFFERENCES[each.name]?.(cell);
      return difference === undefined ? each.expect(cell) : difference;
    });
  });
}

async function startPlainConnect(t: TestContext): Promise<string> {
  const server = http2.createServer(connectNodeAdapter({ routes: callRoutes })).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
