/**
 * Prints the latency of this server at rising rates of calls: the calls per second of one core at a p99, for a plan of
 * capacity (docs/deploy.md). `tools/node.sh bench/rates.ts` takes two minutes on a machine that does nothing else.
 */
import { cell, GRPC } from "./cells.ts";
import { loadAtRate } from "./load.ts";
import { PEERS, type PeerName } from "./peers.ts";
import { divideCores, RunningServer } from "./server.ts";

const SECONDS = 4;
/** At a busier core, the queue grows as long as the measurement takes, so no further rate is measured. */
const MAX_BUSY = 0.95;
const RUNS: readonly { readonly name: PeerName; readonly shape: string; readonly rates: readonly number[] }[] = [
  { name: "this server", shape: "4x16", rates: [1_000, 25_000, 50_000, 100_000, 150_000, 200_000, 250_000] },
  { name: "this server", shape: "64x1", rates: [1_000, 10_000, 20_000, 40_000, 60_000, 80_000] },
  { name: "this server, TLS", shape: "64x1", rates: [1_000, 10_000, 20_000, 40_000, 60_000, 80_000] },
];

const cores = divideCores();
for (const { name, shape, rates } of RUNS) {
  const load = cell(name, GRPC, { heads: "trace", shape, tls: name.endsWith("TLS") });
  console.log(`${load.name}\n  calls/s  core busy  p50 ms  p99 ms`);
  const server = await RunningServer.start(PEERS[name].command(), cores.server);
  try {
    await loadAtRate(load, server.authority, 10_000, 2); // V8 compiles the functions
    for (const rate of rates) {
      const before = server.cpuSeconds();
      const { p50, p99 } = await loadAtRate(load, server.authority, rate, SECONDS);
      const busy = (server.cpuSeconds() - before) / (SECONDS + 1); // a second of warm-up precedes
      const cells = [rate, busy.toFixed(2), p50.toFixed(3), p99.toFixed(3)].map(String);
      console.log(cells.map((text, i) => text.padStart([9, 11, 8, 8][i] ?? 0)).join(""));
      if (busy > MAX_BUSY) break;
    }
  } finally {
    await server.stop();
  }
}
