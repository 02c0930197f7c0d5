/** Tests which of Node's modules a start loads. Each of these costs 2 to 25 ms. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { send } from "../support/http.ts";
import { MAIN, type RunningProcess, startProcess } from "../support/process.ts";

/** Prints the modules of Node that are loaded, at each SIGUSR2. */
const REPORT = `data:text/javascript,${encodeURIComponent(`
  process.on("SIGUSR2", () => console.error("loaded: " + process.moduleLoadList.join()));
`)}`;
const COSTLY = ["internal/deps/undici/undici", "http2", "tls", "zlib", "crypto", "internal/fs/streams"];

test("the start and a first plain call load no module of Node that only other calls need", async (t) => {
  const server = await startProcess(t, "node", "--import", REPORT, MAIN, "--port", "0");
  const headers = { "content-type": "application/json" };
  const call = { path: "/calls.v1.CallService/Add", headers, body: '{"a":1,"b":2}' };
  assert.equal(String((await send("HTTP/1.1", server.authority, call)).body), '{"sum":3}');
  assert.deepEqual(await costlyModules(server), []);
  const page = { method: "GET", path: "/", headers: { accept: "text/html" } };
  assert.match(String((await send("HTTP/1.1", server.authority, page)).body), /<html/);
  assert.deepEqual(await costlyModules(server), ["crypto"]); // its ETag
});

async function costlyModules({ child, stderr }: RunningProcess): Promise<string[]> {
  const before = stderr().length;
  child.kill("SIGUSR2");
  while (!/loaded: .*\n/.test(stderr().slice(before))) await sleep(10);
  const loaded = stderr()
    .slice(before)
    .trim()
    .split(/[:,] ?/);
  return COSTLY.filter((name) => loaded.includes(`NativeModule ${name}`));
}
