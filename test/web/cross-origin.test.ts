/** Tests calls from a page on another origin in Chromium, in every protocol, with and without CORS. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { build } from "esbuild";
import type { Routes } from "../../src/server/rpc/options.ts";
import { PROTOCOLS } from "../../web/call/protocol.ts";
import { AddResponseSchema, CallService } from "../gen/calls/v1/calls_pb.ts";
import { openPage, startBrowser } from "../support/browser.ts";
import { addInt32 } from "../support/call-service.ts";
import { ROOT } from "../support/command.ts";
import { startServer } from "../support/server.ts";

/** The outcome of a call, as the other page can read it. */
interface Told {
  readonly sum?: number;
  readonly etag?: string | null;
  readonly mine?: string | null;
  readonly code?: number;
  readonly message?: string;
  readonly details?: readonly number[];
}

/** The script of the other page: call(protocol, a, b, url) returns all that it can read. */
const SCRIPT = `
  import { ConnectError, createClient } from "@connectrpc/connect";
  import { AddResponseSchema, CallService } from "./test/gen/calls/v1/calls_pb.ts";
  import { createTransport } from "./web/call/protocol.ts";
  globalThis.call = async (protocol, a, b, url) => {
    const client = createClient(CallService, createTransport(protocol, url, fetch));
    let header = new Headers();
    const onHeader = (headers) => { header = headers; };
    try {
      const { sum } = await client.add({ a, b }, { onHeader, headers: { "x-asked": "1" } });
      return { sum, etag: header.get("etag"), mine: header.get("x-mine") };
    } catch (reason) {
      const error = ConnectError.from(reason);
      const details = error.findDetails(AddResponseSchema).map(({ sum }) => sum);
      return { code: error.code, message: error.rawMessage, details };
    }
  };`;

/** Routes with an Add that sends a header, and a detail in its errors. */
const routes: Routes = (router) => {
  router.service(CallService, {
    add(request, { requestMethod, responseHeader }) {
      responseHeader.set("X-Mine", "2");
      if (requestMethod === "GET") responseHeader.set("Cache-Control", "public, max-age=60");
      try {
        return { sum: addInt32(request) };
      } catch (reason) {
        const { rawMessage, code } = ConnectError.from(reason);
        throw new ConnectError(rawMessage, code, undefined, [{ desc: AddResponseSchema, value: { sum: 7 } }]);
      }
    },
  });
};

test("a page on another origin, in Chromium", { timeout: 120_000 }, async (t) => {
  const browser = await startBrowser(t);
  if (browser === undefined) return;
  const other = await startOther(t);

  for (const [name, corsOrigins] of [
    ["its origin", [other]],
    ["every origin", ["*"]],
  ] as const) {
    await t.test(`if ${name} is allowed, the page reads responses, headers, errors and their details`, async (t) => {
      const { url } = await startServer(t, { routes, corsOrigins });
      const { page, takeProblems } = await openPage(t, browser, other);
      for (const protocol of PROTOCOLS) {
        const call = async (a: number, b: number): Promise<Told> =>
          (await page.evaluate(`call(${JSON.stringify(protocol)}, ${a}, ${b}, ${JSON.stringify(url)})`)) as Told;
        const { sum, etag, mine } = await call(20, 22);
        assert.deepEqual([sum, mine], [42, "2"], protocol);
        if (protocol === "connect-get") assert.match(String(etag), /^"[\w-]+"$/);
        const { code, message, details } = await call(2 ** 31 - 1, 1);
        assert.deepEqual([code, details], [Code.OutOfRange, [7]], protocol);
        assert.match(String(message), /^add 2147483647 and 1: /);
      }
      for (const problem of await takeProblems()) assert.match(problem, /^request to |status of 400/);
    });
  }

  for (const [name, corsOrigins] of [
    ["no origin", []],
    ["another origin", ["https://page.example"]],
  ] as const) {
    await t.test(`if ${name} is allowed, the page reads nothing, and its call is not made`, async (t) => {
      let calls = 0;
      const counting: Routes = (router) => {
        router.service(CallService, {
          add() {
            calls += 1;
            return {};
          },
        });
      };
      const { url } = await startServer(t, { routes: counting, corsOrigins });
      const { page, takeProblems } = await openPage(t, browser, other);
      for (const protocol of PROTOCOLS) {
        const told = (await page.evaluate(`call("${protocol}", 20, 22, "${url}")`)) as Told;
        assert.deepEqual([told.sum, told.message, told.details], [undefined, "Failed to fetch", []], protocol);
      }
      assert.equal(calls, 0);
      const problems = await takeProblems();
      assert.equal(problems.filter((problem) => problem.includes("blocked by CORS policy")).length, PROTOCOLS.length);
    });
  }
});

/** Serves the other page, from another port. */
async function startOther(t: TestContext): Promise<string> {
  const stdin = { contents: SCRIPT, resolveDir: ROOT, loader: "js" } as const;
  const { outputFiles } = await build({ stdin, bundle: true, write: false, format: "esm" });
  const html = `<!doctype html><link rel="icon" href="data:,"><script type="module">${outputFiles[0]?.text}</script>`;
  const server = http.createServer((_, response) => {
    response.setHeader("Content-Type", "text/html; charset=utf-8").end(html);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
