/** Measures the CPU time and the memory that a connection costs the server, plain and over TLS. Needs Linux. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CHECK, freePort } from "./balanced-servers.ts";
import { median } from "./split.ts";

const ROOT = join(import.meta.dirname, "../..");
/** Connections of a round whose CPU time is measured, and the number of rounds. */
const CONNECTIONS = 500;
const ROUNDS = 7;
/** Connections that are open at once when memory is measured. */
const OPEN_CONNECTIONS = 2_000;

export interface ConnectionCost {
  /** CPU time of one connection with one call: the median of the rounds. */
  readonly microseconds: number;
  /** Memory of one connection that has made a call, and is then idle. */
  readonly bytes: number;
}

/** Measures a server of src/main.ts. The folder has cert.pem and key.pem for TLS. */
export async function measureConnection(folder: string, tls: boolean): Promise<ConnectionCost> {
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
