/**
 * Runs the drill: restarts the server under constant load, and counts the lost calls of each client. Exits with 1 if a
 * bound is broken.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { brokenBounds } from "./bounds.ts";
import { Calls } from "./calls.ts";
import { CLIENTS } from "./clients.ts";
import { Forwarder } from "./forwarder.ts";
import { OptionsError, readOptions } from "./options.ts";
import { Servers } from "./servers.ts";
import { table } from "./table.ts";

/** Time between two restarts, so that every client calls the new server. */
const SERVE_MS = 1_500;

const options = readOptions(process.argv.slice(2));
if (options instanceof OptionsError) {
  console.error(options.message);
  process.exit(2);
}
const { restarts, signal, hasWorkers, serverArgs, connectionAgeMs } = options;
/** The workers of a server. Each restart closes the connections of all of them, one worker after the other. */
const workers = hasWorkers ? 2 : 1;
// Ends what it started with it.
for (const end of ["SIGINT", "SIGTERM"]) process.on(end, () => process.exit(1));

const forwarder = await Forwarder.listen();
const servers = new Servers(forwarder, [...serverArgs, "--workers", String(workers)]);
await servers.replace(signal);
const stop = new AbortController();
const results = new Map(CLIENTS.map((client) => [client, new Calls()]));
const loads = [...results].map(async ([client, calls]) => {
  if (client.absent === undefined) await client.run(forwarder.authority, calls, stop.signal);
});
const began = performance.now();
await Promise.all([restartInALoop(), ...loads]);
const servedMs = performance.now() - began;
const last = await servers.stop();

console.log(table(results, servers.restarts));
// A connection closes at its maximum age less a tenth at the earliest, and the next one may close at a restart.
const closes = restarts * workers + Math.ceil(servedMs / (0.9 * connectionAgeMs));
const broken = brokenBounds(results, servers.restarts, last, closes);
for (const sentence of broken) console.error(sentence);
// A client that still waits for a lost call would keep the process.
process.exit(broken.length > 0 ? 1 : 0);

async function restartInALoop(): Promise<void> {
  for (let i = 0; i < restarts; i++) {
    await sleep(SERVE_MS);
    await (hasWorkers ? servers.replaceWorkers() : servers.replace(signal));
  }
  await sleep(SERVE_MS);
  stop.abort();
}
