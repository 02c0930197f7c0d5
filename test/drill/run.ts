/**
 * Restarts the server under constant load, and counts what each client loses: `npm run drill -- --restarts N`. With
 * --kill the servers are ended by SIGKILL, to see that the drill can fail. What follows another `--` are settings for
 * the servers. Exits with 1 where a bound is broken.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { brokenBounds } from "./bounds.ts";
import { Calls } from "./calls.ts";
import type { Client } from "./client.ts";
import { CONNECT_CLIENTS } from "./connect-clients.ts";
import { EARLY } from "./early.ts";
import { FETCH } from "./fetch.ts";
import { Forwarder } from "./forwarder.ts";
import { GRPC_JS_CLIENTS } from "./grpc-js.ts";
import { HEEDLESS } from "./heedless.ts";
import { OUTSIDE_CLIENTS } from "./outside.ts";
import { Servers } from "./servers.ts";
import { table } from "./table.ts";

const CLIENTS: readonly Client[] = [...GRPC_JS_CLIENTS, ...OUTSIDE_CLIENTS, ...CONNECT_CLIENTS, FETCH, EARLY, HEEDLESS];
/** Between two restarts, for every client to have called on the new server. */
const SERVE_MS = 1_500;

const { values, positionals } = parseArgs({
  options: { restarts: { type: "string", default: "20" }, kill: { type: "boolean", default: false } },
  allowPositionals: true, // what follows "--"
});
const wanted = Number(values.restarts);

const forwarder = await Forwarder.listen();
const servers = new Servers(forwarder, positionals);
await servers.replace("SIGTERM");
const stop = new AbortController();
const results = new Map(CLIENTS.map((client) => [client, new Calls()]));
const loads = [...results].map(async ([client, calls]) => {
  if (client.absent === undefined) await client.run(forwarder.authority, calls, stop.signal);
});
const drill = async (): Promise<void> => {
  for (let i = 0; i < wanted; i++) {
    await sleep(SERVE_MS);
    await servers.replace(values.kill ? "SIGKILL" : "SIGTERM");
  }
  await sleep(SERVE_MS);
  stop.abort();
};
await Promise.all([drill(), ...loads]);
const last = await servers.stop();
forwarder.close();

console.log(table(results, servers.restarts));
const exitMs = servers.restarts.map(({ signalledAt, exitedAt }) => exitedAt - signalledAt);
console.log(`${servers.restarts.length} restarts; a server ended at most ${Math.max(...exitMs)} ms after its signal`);
const broken = brokenBounds(results, servers.restarts, last);
for (const sentence of broken) console.error(sentence);
if (broken.length > 0) process.exitCode = 1;
