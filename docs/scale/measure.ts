/**
 * Measures what the model of scale.md assumes or predicts, on this machine, and writes measured.json: CPU time and memory of
 * the server for a connection, and the split of 64 connections over servers behind HAProxy. With `--connections`, measures
 * only the first two. Needs Linux, haproxy and openssl.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type ClientHttp2Session, connect } from "node:http2";
import { createServer as createTcpServer } from "node:net";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, credentials } from "@grpc/grpc-js";
import { createServer, type Server } from "../../src/server/server.ts";
import { average, type Measured, median, newShareAt, SPLIT, type Split, type SplitPlan } from "./split.ts";

const FILE = join(import.meta.dirname, "measured.json");
const ROOT = join(import.meta.dirname, "../..");
/** Connections of a round whose CPU time is measured, and the number of rounds. */
const CONNECTIONS = 500;
const ROUNDS = 7;
/** Connections that are open at once when memory is measured. */
const OPEN_CONNECTIONS = 2_000;
const CHECK = "/grpc.health.v1.Health/Check";
const BALANCE = { random: "random(1)", "round robin": "roundrobin", "least connections": "leastconn" } as const;

interface ConnectionCost {
  /** CPU time of one connection with one call: the median of the rounds. */
  readonly microseconds: number;
  /** Memory of one connection that has made a call, and is then idle. */
  readonly bytes: number;
}

async function measureConnection(folder: string, tls: boolean): Promise<ConnectionCost> {
  const files = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
  const flags = tls ? ["--tls-cert", files.cert, "--tls-key", files.key] : [];
  const port = await freePort();
  const child = spawn(process.execPath, ["src/main.ts", "--port", String(port), ...flags], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await once(child.stdout, "data");
    const url = `${tls ? "https" : "http"}://localhost:${port}`;
    const ca = tls ? readFileSync(files.cert) : undefined;
    const rounds: number[] = [];
    for (let round = -1; round < ROUNDS; round++) {
      const before = cpuMicroseconds(child.pid);
      for (let i = 0; i < CONNECTIONS; i++) await closed(await connectAndCall(url, ca));
      await sleep(100);
      if (round >= 0) rounds.push((cpuMicroseconds(child.pid) - before) / CONNECTIONS);
    }
    const before = memoryBytes(child.pid);
    const sessions: ClientHttp2Session[] = [];
    for (let i = 0; i < OPEN_CONNECTIONS; i++) sessions.push(await connectAndCall(url, ca));
    await sleep(1_000); // the garbage collector frees what the handshakes allocated
    const bytes = (memoryBytes(child.pid) - before) / OPEN_CONNECTIONS;
    for (const session of sessions) session.destroy();
    return { microseconds: median(rounds), bytes };
  } finally {
    child.kill("SIGKILL");
  }
}

/** Opens an HTTP/2 connection without resumption of TLS, and makes one gRPC call. */
async function connectAndCall(url: string, ca: Buffer | undefined): Promise<ClientHttp2Session> {
  const session = connect(url, { ...(ca && { ca }) });
  const headers = { ":method": "POST", ":path": CHECK, "content-type": "application/grpc" };
  const stream = session.request({ ...headers, te: "trailers" });
  stream.end(Buffer.alloc(5)); // an empty message
  await once(stream.resume(), "close");
  return session;
}

async function closed(session: ClientHttp2Session): Promise<void> {
  session.close();
  await once(session, "close");
}

/** Returns the resident memory of a process. */
function memoryBytes(pid: number | undefined): number {
  const [, kilobytes] = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}

/** Returns the CPU time of a process so far, as the scheduler of Linux counts it for all threads. */
function cpuMicroseconds(pid: number | undefined): number {
  const times = readdirSync(`/proc/${pid}/task`).map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]),
  );
  return times.reduce((sum, ns) => sum + ns, 0) / 1e3;
}

/** A client on grpc-js that calls all the time over a connection of its own. It retries calls that GOAWAY refuses. */
class BusyClient {
  /** The number of the server of the newest call. */
  server = -1;
  calls = 0;
  readonly #client: Client;

  constructor(authority: string) {
    this.#client = new Client(authority, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
  }

  /** Rejects if a call fails. */
  async run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      await this.#call();
      this.calls++;
      await sleep(SPLIT.pauseMs);
    }
    this.#client.close();
  }

  #call(): Promise<void> {
    const bytes = (buffer: Buffer) => buffer;
    return new Promise((resolve, reject) => {
      this.#client
        .makeUnaryRequest(CHECK, bytes, bytes, Buffer.of(), (error) => (error === null ? resolve() : reject(error)))
        .on("metadata", (metadata) => {
          this.server = Number(metadata.get("x-server")[0]);
        });
    });
  }
}

async function startServer(number: number, port: number): Promise<Server> {
  const server = createServer({
    routes: () => {},
    interceptHealth: true,
    interceptors: [
      (next) => async (request) => {
        const response = await next(request);
        response.header.set("x-server", String(number));
        return response;
      },
    ],
    limits: { maxConnectionAgeMs: SPLIT.ageSeconds * 1e3 },
    log: () => {},
  });
  await server.listen({ host: "127.0.0.1", port });
  return server;
}

/** Runs the plan once behind HAProxy. Adds the last server when the others have their connections. */
async function measureSplit(folder: string, policy: keyof typeof BALANCE): Promise<Split & { readonly calls: number }> {
  const { connections, servers: count, ageSeconds, newShareAfter, samples }: SplitPlan = SPLIT;
  const ports = await Promise.all(Array.from({ length: count }, freePort));
  const listen = `127.0.0.1:${await freePort()}`;
  // HAProxy chooses at random on a ring of hashes, on which each unit of weight is 16 points. With weight 1, shares are uneven.
  const lines = ports.map((port, i) => `  server s${i} 127.0.0.1:${port} weight 256 check inter 100ms fall 3 rise 1\n`);
  const config = join(folder, "haproxy.cfg");
  const timeouts = ["connect 5s", "client 1m", "server 1m", "check 5s"].map((each) => `  timeout ${each}\n`).join("");
  await writeFile(
    config,
    `defaults\n  mode tcp\n  option redispatch 1\n${timeouts}listen l\n  bind ${listen}\n  balance ${BALANCE[policy]}\n` +
      `  option httpchk GET /healthz\n${lines.join("")}`,
  );
  const servers = await Promise.all(ports.slice(1).map((port, i) => startServer(i + 1, port)));
  const haproxy = spawn("haproxy", ["-db", "-f", config], { stdio: "ignore" });
  const stop = new AbortController();
  const clients = Array.from({ length: connections }, () => new BusyClient(listen));
  const loads = () => ports.map((_, i) => clients.filter(({ server }) => server === i).length);
  try {
    await sleep(1_000); // HAProxy finds that the new server is not there yet
    const runs: Promise<void>[] = [];
    for (const client of clients) {
      runs.push(client.run(stop.signal));
      await sleep((ageSeconds * 1e3) / connections); // the ages differ, as in a service that has run for long
    }
    servers.push(await startServer(0, ports[0] as number));
    await sleep(200); // a health check finds it
    const from = performance.now();
    const after = (ages: number) => sleep(from + ages * ageSeconds * 1e3 - performance.now());
    const newShare: number[] = [];
    for (const ages of newShareAfter) {
      await after(ages);
      newShare.push(newShareAt(loads()));
    }
    const peaks: number[] = [];
    for (let i = 1; i <= samples; i++) {
      await after((newShareAfter.at(-1) as number) + 1.1 * i);
      peaks.push((Math.max(...loads()) * count) / connections);
    }
    stop.abort();
    await Promise.all(runs);
    return { newShare, peak: average(peaks), calls: clients.reduce((sum, { calls }) => sum + calls, 0) };
  } finally {
    stop.abort();
    haproxy.kill("SIGKILL");
    await Promise.all(servers.map((server) => server.close({ delayMs: 0, graceMs: 1_000 })));
  }
}

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

/** Measures the split `runs` times, and returns the averages. */
async function measureSplits(folder: string, policy: keyof typeof BALANCE) {
  const all: Awaited<ReturnType<typeof measureSplit>>[] = [];
  for (let run = 0; run < SPLIT.runs; run++) all.push(await measureSplit(folder, policy));
  return {
    newShare: SPLIT.newShareAfter.map((_, i) => average(all.map(({ newShare }) => newShare[i] as number))),
    peak: average(all.map(({ peak }) => peak)),
    calls: all.reduce((sum, { calls }) => sum + calls, 0),
  };
}

const folder = await mkdtemp(join(tmpdir(), "scale-"));
try {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const files = ["-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")];
  execFileSync("openssl", ["req", "-x509", ...key, ...names, ...files], { stdio: "ignore" });
  const old: Measured | undefined = existsSync(FILE) ? JSON.parse(readFileSync(FILE, "utf8")) : undefined;
  const plain = await measureConnection(folder, false);
  const tls = await measureConnection(folder, true);
  const splits = (process.argv.includes("--connections") && old?.splits) || {
    random: await measureSplits(folder, "random"),
    "round robin": await measureSplits(folder, "round robin"),
    "least connections": await measureSplits(folder, "least connections"),
  };
  const measured: Measured = {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} cores of ${cpus()[0]?.model ?? "an unknown processor"}, Node ${process.version}`,
    connectionMicroseconds: plain.microseconds,
    tlsConnectionMicroseconds: tls.microseconds,
    connectionBytes: plain.bytes,
    tlsConnectionBytes: tls.bytes,
    splits,
  };
  writeFileSync(FILE, `${JSON.stringify(measured, undefined, 2)}\n`);
} finally {
  await rm(folder, { recursive: true });
}
