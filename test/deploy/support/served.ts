/** Checks that the program serves its calls over all protocols, and its page. The calls are of health, which every service has. */
import assert from "node:assert/strict";
import { createClient } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "../../../gen/health/v1/health_pb.ts";
import { send } from "../../support/http.ts";
import { BROWSER } from "../../support/page-folder.ts";
import { TRANSPORTS } from "../../support/transports.ts";

/** Calls over each protocol and HTTP version, without TLS. `authority` is "host:port". */
export async function checkCalls(authority: string): Promise<void> {
  for (const { name, tls, create } of TRANSPORTS) {
    if (tls !== undefined) continue;
    const { status } = await createClient(Health, create(`http://${authority}`)).check({});
    assert.equal(status, ServingStatus.SERVING, name);
  }
}

/** Gets the page and its script. */
export async function checkPage(authority: string): Promise<void> {
  const get = (path: string) => send("HTTP/1.1", authority, { method: "GET", path, headers: { accept: BROWSER } });
  const html = String((await get("/")).body);
  const [, script] = /src="(\/-\/page-\w+\.js)"/.exec(html) ?? [];
  assert.ok(script, html);
  const { status, body } = await get(script);
  assert.equal(status, 200);
  assert.ok(body.length > 10_000);
}
