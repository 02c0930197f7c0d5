/** Tests that a process without free file descriptors logs it, and serves again when connections are closed. */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { send } from "../support/http.ts";
import { MAIN, startProcess } from "../support/process.ts";
import { connectTo } from "../support/raw.ts";

const skip = process.platform === "win32" && "Windows has no such limit";
const LINE =
  /^accept connections: new ones are closed immediately, since all (64 )?file descriptors of this process are in use; raise that limit \(ulimit -n, systemd's LimitNOFILE\) or lower --connections$/gm;

/** Listens on two ports. */
const TWICE = `import { createServer } from "./src/server/server.ts";
import { callRoutes } from "./test/support/call-service.ts";
const server = createServer({ routes: callRoutes });
await server.listen({ port: 0 });
const { port } = await server.listen({ port: 0 });
console.log("listening on http://127.0.0.1:" + port);`;

for (const [what, args] of [
  ["a server", [MAIN, "--port", "0", "--page", "off"]],
  ["a server with two listeners", ["--input-type=module", "-e", TWICE]],
] as const)
  test(`running out of file descriptors is logged once, and ${what} goes on`, { skip }, async (t) => {
    const command = ["-c", 'ulimit -n 64 && exec node "$@"', "sh", ...args];
    const { authority, stderr } = await startProcess(t, "sh", ...command);
    const sockets: Socket[] = [];
    t.after(() => sockets.forEach((socket) => void socket.destroy()));
    for (let i = 0; i < 100; i++) {
      const socket = await connectTo(authority);
      socket.on("error", () => {});
      sockets.push(socket);
    }
    while (stderr().match(LINE) === null) await sleep(20);
    await sleep(2_500); // further checks
    assert.equal(stderr().match(LINE)?.length, 1);
    assert.equal(
      stderr()
        .split("\n")
        .filter((line) => line.startsWith("accept")).length,
      1,
    );

    for (const socket of sockets) socket.destroy();
    await sleep(100);
    const headers = { "content-type": "application/json" };
    const call = { path: "/calls.v1.CallService/Add", headers, body: '{"a":1,"b":2}' };
    assert.equal((await send("HTTP/1.1", authority, call)).body.toString(), '{"sum":3}');
  });
