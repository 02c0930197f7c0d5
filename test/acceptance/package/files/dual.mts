/** An application with both copies of the package: the ES modules, and CommonJS. Both work, and share what they must. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { createServer, peerKey } from "@connect-sum/server";
import { CallService } from "./calls_pb.js";

const commonJs = createRequire(import.meta.url)("@connect-sum/server") as typeof import("@connect-sum/server");
assert.notEqual(commonJs.createServer, createServer);
assert.equal(commonJs.peerKey.id, peerKey.id);

const health = new commonJs.HealthStatus();
let address: string | undefined;
const server = createServer({
  routes: (router) =>
    router.rpc(CallService.method.add, (_, context) => {
      address = context.values.get(commonJs.peerKey)?.address;
      return { sum: 1 };
    }),
  health,
});
const { port } = await server.listen({ port: 0 });
const url = `http://127.0.0.1:${port}`;
const headers = { "content-type": "application/json" };
await (await fetch(`${url}/calls.v1.CallService/Add`, { method: "POST", headers, body: "{}" })).text();
assert.equal(address, "127.0.0.1");
health.set("", "not-serving");
assert.equal((await fetch(`${url}/healthz`)).status, 503);
assert.equal(await server.close(), 0);
console.log(`ok ${process.version}`);
