/** Tests DNS rebinding in Chromium: the page is same-origin, so only the check of hosts stops it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { createServer } from "../../src/server/server.ts";
import { PLAIN_HOST, startBrowser } from "../support/browser.ts";
import { echoRoutes } from "../support/protos.ts";

const SAY = "/fixture.Echo/Say";
const ATTACK = `(async () => {
  const tell = async (response) => response.status + " " + (await response.text());
  const headers = { "content-type": "application/json" };
  return [
    await tell(await fetch("${SAY}", { method: "POST", headers, body: '"x"' })),
    await tell(await fetch("/grpc.health.v1.Health/Check", { method: "POST", headers, body: "{}" })),
    await tell(await fetch("/")),
  ];
})()`;

test("a page on a host of another name, in Chromium", { timeout: 120_000 }, async (t) => {
  const browser = await startBrowser(t);
  if (browser === undefined) return;
  for (const { allowedHosts, served } of [
    { allowedHosts: undefined, served: false },
    { allowedHosts: ["*"], served: true },
  ]) {
    await t.test(
      `it ${served ? "calls and reads" : "is refused each call"} with allowedHosts ${allowedHosts}`,
      async (t) => {
        let calls = 0;
        const routes = echoRoutes({
          say(request) {
            calls++;
            return request;
          },
        });
        const log: string[] = [];
        const page = await browser.newPage();
        const attacker = http.createServer((_, response) => {
          response.writeHead(200, { "content-type": "text/html", connection: "close" }).end("<!doctype html>");
        });
        await once(attacker.listen(0, "127.0.0.1"), "listening");
        const { port } = attacker.address() as AddressInfo;
        await page.goto(`http://${PLAIN_HOST}:${port}/attack`);
        attacker.close();
        await once(attacker, "close");
        // Makes the name resolve to this server from now on, as an attacker's DNS server could.
        const hosts = allowedHosts && { allowedHosts };
        const server = createServer({ routes, homePage: true, ...hosts, log: ({ message }) => log.push(message) });
        await server.listen({ port });
        t.after(async () => {
          await page.close();
          await server.close({ idleMs: 0 });
        });
        const answers = (await page.evaluate(ATTACK)) as string[];
        assert.equal(calls, served ? 1 : 0);
        for (const answer of answers)
          assert.match(answer, served ? /^200 / : /^403 serve host "plain\.test:\d+": not one of/);
        assert.equal(log.splice(0).length, served ? 0 : 1);
      },
    );
  }
});
