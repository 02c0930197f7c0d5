/**
 * Profiles this server under each kind of load, and prints the table of docs/performance.md: the part of the CPU time that
 * each part of the server takes. `tools/node.sh bench/profile.ts [PATTERN]` takes 3 minutes; PATTERN selects loads.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Cell, cell, GRPC } from "./cells.ts";
import { PEERS } from "./peers.ts";
import { type Pace, warmUp } from "./rounds.ts";
import { divideCores, RunningServer } from "./server.ts";

const HEADINGS = ["writes", "Node", "protobuf-es", "HTTP", "RPC", "collector"] as const;
type Part = (typeof HEADINGS)[number] | "other";

/** A profile of V8 (`node --cpu-prof`), with the properties that are read here. Times are in us. */
export interface Profile {
  readonly startTime: number;
  readonly endTime: number;
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
  }[];
  /** The node of each sample, and the time since the sample before it. */
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const STREAM = { shape: "4x4" };
const SMALL = { ...STREAM, size: 100, messages: 200 };
const LOADS: readonly Cell[] = [
  cell("this server"),
  cell("this server", GRPC, { heads: "trace" }),
  cell("this server, TLS", GRPC, { heads: "trace", tls: true }),
  cell("this server, interceptor"),
  cell("this server", GRPC, { heads: "trace", shape: "1x1" }),
  cell("this server", GRPC, { ...STREAM, method: "Echo", size: 10_240 }),
  cell("this server", GRPC, { ...STREAM, method: "Echo", size: 102_400 }),
  cell("this server", GRPC, { ...SMALL, method: "Download" }),
  cell("this server", GRPC, { ...SMALL, method: "Download", size: 10_240, messages: 50 }),
  cell("this server", GRPC, { ...SMALL, method: "Upload" }),
  cell("this server", GRPC, { ...SMALL, method: "Chat" }),
  cell("this server", "Connect json over HTTP/1.1"),
  cell("this server", "Connect proto over HTTP/1.1", { ...SMALL, method: "Download", shape: "16x1" }),
  cell("this server", "Connect proto over HTTP/1.1", { ...SMALL, method: "Upload", shape: "16x1" }),
];

const PACE: Pace = { warm: 1.5, round: 2 };
/** Makes SIGTERM end the process normally, so that Node writes the profile. */
const EXIT_ON_SIGTERM = "data:text/javascript,process.on('SIGTERM', () => process.exit())";

/** Returns the part of the server that a function belongs to; undefined for an idle process. */
function partOf({ functionName, url }: Profile["nodes"][number]["callFrame"]): Part | undefined {
  if (functionName === "(idle)" || functionName === "(root)") return undefined;
  if (functionName === "(garbage collector)") return "collector";
  if (/^write(?:Buffer|v|Latin1String|Utf8String)$/.test(functionName) && url === "") return "writes";
  if (url.startsWith("node:")) return "Node";
  if (url.includes("/node_modules/@bufbuild/protobuf/")) return "protobuf-es";
  if (url.includes("/src/server/rpc/") || url.includes("/node_modules/@connectrpc/")) return "RPC";
  return url.includes("/src/server/") ? "HTTP" : "other";
}

/** Returns the shares of the busy time in the second half of a profile, from 0 to 1. */
export function sharesOf({ startTime, endTime, nodes, samples, timeDeltas }: Profile): Record<Part, number> {
  const parts = new Map(nodes.map(({ id, callFrame }) => [id, partOf(callFrame)]));
  const shares = { writes: 0, Node: 0, "protobuf-es": 0, HTTP: 0, RPC: 0, collector: 0, other: 0 };
  let now = startTime;
  let busy = 0;
  samples.forEach((id, i) => {
    const delta = timeDeltas[i] ?? 0;
    now += delta;
    const part = parts.get(id);
    if (part === undefined || now < (startTime + endTime) / 2) return;
    busy += delta;
    shares[part] += delta;
  });
  for (const part of Object.keys(shares) as Part[]) shares[part] /= busy;
  return shares;
}

/** Measures a load without the profiler, and then with it. Returns the row of the table. */
async function profile(load: Cell, core: number): Promise<string> {
  const command = PEERS[load.server].command();
  const plain = await measure(load, command, core);
  const folder = mkdtempSync(join(tmpdir(), "profile-"));
  try {
    const [node = "", ...args] = command;
    const flags = ["--cpu-prof", "--cpu-prof-dir", folder, "--import", EXIT_ON_SIGTERM];
    await measure(load, [node, ...flags, ...args], core);
    const [file = ""] = readdirSync(folder);
    const shares = sharesOf(JSON.parse(readFileSync(join(folder, file), "utf8")));
    const percent = (share: number): string => (share * 100).toFixed(0);
    const cells = [plain.cpuMicroseconds.toPrecision(3), percent(plain.kernel)];
    return row(load.name, ...cells, ...HEADINGS.map((part) => percent(shares[part])));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Returns the CPU time of a call or message, and the kernel's share of it. */
async function measure(load: Cell, command: readonly string[], core: number) {
  const server = await RunningServer.start(command, core);
  const round = await warmUp(load, server, PACE);
  const before = { cpu: server.cpuSeconds(), kernel: server.kernelSeconds() };
  const { cpuMicroseconds } = await round();
  const kernel = (server.kernelSeconds() - before.kernel) / (server.cpuSeconds() - before.cpu);
  await server.stop("SIGTERM");
  return { cpuMicroseconds, kernel };
}

function row(...cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

if (import.meta.main) {
  const { server: core } = divideCores();
  const pattern = new RegExp(process.argv[2] ?? "");
  const headings = ["load", "CPU, us", "kernel", ...HEADINGS];
  console.log([row(...headings), row(...headings.map(() => "---"))].join("\n"));
  for (const load of LOADS) if (pattern.test(load.name)) console.log(await profile(load, core));
}
