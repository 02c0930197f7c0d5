/**
 * Measures the CPU time per call of the five applications on connect-node and on this server, in rounds that take turns:
 * `tools/node.sh test/acceptance/applications/measure.ts [ROUNDS] [NAME...]`. The applications must be installed, and Nest's
 * must be built. Needs Linux with two cores, taskset and h2load.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as http2 from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { type RunningServer, startServer } from "../../../examples/start-server.ts";
import { ROOT } from "../../support/command.ts";

const [rounds = "7", ...names] = process.argv.slice(2);
const WARM_UP_CALLS = 30_000;
const CALLS = 20_000;
const LOAD_CORE = "0";
const SERVER_CORE = "1";
/** The CPU time in /proc is in units of 1/100 s. */
const TICK_US = 10_000;

interface Load {
  readonly name: string;
  readonly http2: boolean;
  readonly contentType: string;
  readonly body: Uint8Array;
}

interface Application {
  readonly name: string;
  readonly folder: string;
  readonly path: string;
  readonly loads: readonly Load[];
  /** The servers on connect-node and on this server. */
  readonly files?: readonly [string, string];
  /** The number of ports of the server on connect-node. */
  readonly ports?: number;
  /** The path and the body of a request that logs in. Calls then have its cookie. */
  readonly login?: readonly [path: string, body: string];
}

const APPLICATIONS: readonly Application[] = [
  {
    name: "Eliza",
    folder: "examples/eliza",
    path: "/eliza.v1.ElizaService/Say",
    loads: createLoads('{"sentence":"Hello"}', "0a0548656c6c6f"),
    ports: 2,
  },
  {
    name: "Fastify",
    folder: "examples/fastify",
    path: "/notes.v1.NotesService/ListNotes",
    loads: createLoads('{"limit":10}', "080a"),
    login: ["/login", '{"user":"Ada"}'],
  },
  {
    name: "Express",
    folder: "examples/express",
    path: "/catalog.v1.CatalogService/GetProduct",
    loads: createLoads('{"id":"apple"}', "0a056170706c65").slice(0, 2),
  },
  {
    name: "Nest",
    folder: "test/acceptance/applications/nest",
    files: ["dist/before.js", "dist/server.js"],
    path: "/orders.v1.OrdersService/PlaceOrder",
    loads: createLoads('{"item":"apple","quantity":3}', "0a056170706c651003").slice(0, 2),
  },
  {
    name: "Hono",
    folder: "test/acceptance/applications/hono",
    path: "/signup.v1.SignupService/SignUp",
    loads: createLoads('{"person":{"email":"a@b.de","name":"Ada","age":36}}', "0a0f0a066140622e646512034164611824"),
    ports: 2,
  },
];

/** Returns the loads of a unary call: Connect with JSON and protobuf over HTTP/1.1, and gRPC over HTTP/2. */
function createLoads(json: string, hex: string): Load[] {
  const proto = Buffer.from(hex, "hex");
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(proto.length, 1);
  const message = Buffer.concat([prefix, proto]);
  return [
    { name: "Connect JSON, HTTP/1.1", http2: false, contentType: "application/json", body: Buffer.from(json) },
    { name: "Connect protobuf, HTTP/1.1", http2: false, contentType: "application/proto", body: proto },
    { name: "gRPC, HTTP/2", http2: true, contentType: "application/grpc", body: message },
  ];
}

console.log("| application | load | before, us | after, us | ratio |\n|---|---|---|---|---|");
for (const application of APPLICATIONS.filter(({ name }) => names.length === 0 || names.includes(name)))
  for (const load of application.loads) await compare(application, load);

/** Prints the medians of both servers, and the median of the ratios of the rounds. */
async function compare({ folder, files = ["before.ts", "server.ts"], ports = 1, ...rest }: Application, load: Load) {
  const env = { HTTP2: load.http2 ? "on" : "off" };
  await using before = await startServer(join(ROOT, folder, files[0]), { count: ports, env });
  await using after = await startServer(join(ROOT, folder, files[1]), { env });
  const measures = [await warmUp(before, rest, load), await warmUp(after, rest, load)] as const;
  const results: [number, number][] = [];
  for (let round = 0; round < Number(rounds); round++) results.push([await measures[0](), await measures[1]()]);
  const [first, second] = [median(results.map(([us]) => us)), median(results.map(([, us]) => us))];
  const ratio = median(results.map(([a, b]) => a / b));
  console.log(`| ${rest.name} | ${load.name} | ${first.toFixed(1)} | ${second.toFixed(1)} | ${ratio.toFixed(2)} |`);
}

/** Warms a server up on its core. Returns a function that measures the CPU time per call in one round. */
async function warmUp(
  server: RunningServer,
  { path, login }: Pick<Application, "path" | "login">,
  load: Load,
): Promise<() => Promise<number>> {
  await run("taskset", "-a", "-p", "-c", SERVER_CORE, String(server.pid));
  const url = (load.http2 ? server.urls.at(-1) : server.urls[0]) ?? "";
  const cookie = login === undefined ? "" : await logIn(url, load.http2, login);
  const send = (calls: number) => sendLoad(url + path, load, cookie, calls);
  await send(WARM_UP_CALLS);
  return async () => {
    await settle(server.pid);
    const since = cpuTicks(server.pid);
    await send(CALLS);
    await settle(server.pid);
    return ((cpuTicks(server.pid) - since) * TICK_US) / CALLS;
  };
}

/** Makes the calls with 64 in flight. Throws unless all succeed. */
async function sendLoad(url: string, { http2, contentType, body }: Load, cookie: string, calls: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "measure-"));
  const file = join(folder, "body");
  writeFileSync(file, body);
  const shape = http2 ? ["-c", "4", "-m", "16", "-H", "te: trailers"] : ["--h1", "-c", "64", "-m", "1"];
  const headers = [`content-type: ${contentType}`, ...(cookie === "" ? [] : [`cookie: ${cookie}`])];
  const fields = headers.flatMap((header) => ["-H", header]);
  const load = ["h2load", "-n", String(calls), ...shape, ...fields, "-d", file, url];
  const output = await run("taskset", "-c", LOAD_CORE, ...load);
  rmSync(folder, { recursive: true });
  assert.ok(output.includes(`status codes: ${calls} 2xx`), output);
}

async function logIn(url: string, overHttp2: boolean, [path, body]: readonly [string, string]): Promise<string> {
  const headers = { "content-type": "application/json" };
  let cookie: string | undefined;
  if (overHttp2) {
    const session = http2.connect(url);
    const stream = session.request({ ":method": "POST", ":path": path, ...headers }).end(body);
    stream.on("response", (fields) => {
      cookie = fields["set-cookie"]?.[0];
    });
    await stream.toArray();
    session.close();
  } else {
    const response = await fetch(url + path, { method: "POST", headers, body });
    cookie = response.headers.getSetCookie()[0];
  }
  assert.ok(cookie !== undefined);
  return cookie.split(";")[0] ?? "";
}

/** Waits until the process is idle. After a load, it still closes connections. */
async function settle(pid: number): Promise<void> {
  for (let spent = -1; spent < cpuTicks(pid); await sleep(50)) spent = cpuTicks(pid);
}

/** Returns the CPU time of the process so far, user and system. */
function cpuTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The name, field 2, may have spaces. Field 3 follows its closing parenthesis (proc_pid_stat(5)).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

async function run(program: string, ...args: string[]): Promise<string> {
  return (await promisify(execFile)(program, args, { maxBuffer: 2 ** 26 })).stdout;
}
