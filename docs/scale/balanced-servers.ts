/** Servers behind a real HAProxy that balances connections, and clients that call all the time. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { connect, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, credentials } from "@grpc/grpc-js";
import { createServer, type Server } from "../../src/server/server.ts";
import type { Policy } from "./model.ts";

/** The method that clients call. */
export const CHECK = "/grpc.health.v1.Health/Check";
const BALANCE: Readonly<Record<Policy, string>> = {
  random: "random(1)",
  "round robin": "roundrobin",
  "least connections": "leastconn",
};
/** The pause of each client between two calls. */
const PAUSE_MS = 50;
/** Time in which HAProxy notices which servers run, or that one is about to end. */
const NOTICE_MS = 1_000;
const POLL_MS = 10;
/** The column "status" of "show stat". */
const STATUS_COLUMN = 17;

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
      await sleep(PAUSE_MS);
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

/** Servers and clients. A server has the number of its port in HAProxy's list. */
export class BalancedServers {
  readonly #ports: readonly number[];
  readonly #listen: string;
  readonly #haproxy: ChildProcess;
  /** The Unix domain socket on which HAProxy tells its state. */
  readonly #statsPath: string;
  readonly #maxConnectionAgeMs: number;
  readonly #servers = new Map<number, Server>();
  readonly #clients: BusyClient[] = [];
  readonly #runs: Promise<void>[] = [];
  readonly #stop = new AbortController();

  private constructor(
    ports: readonly number[],
    listen: string,
    of: { readonly haproxy: ChildProcess; readonly statsPath: string; readonly maxConnectionAgeMs: number },
  ) {
    this.#ports = ports;
    this.#listen = listen;
    this.#haproxy = of.haproxy;
    this.#statsPath = of.statsPath;
    this.#maxConnectionAgeMs = of.maxConnectionAgeMs;
  }

  /** Starts HAProxy with a configuration in the folder for `count` servers, and the servers with the numbers of `first`. */
  static async start(
    folder: string,
    policy: Policy,
    { count, first, maxConnectionAgeMs }: { count: number; first: readonly number[]; maxConnectionAgeMs: number },
  ): Promise<BalancedServers> {
    const ports = await Promise.all(Array.from({ length: count }, freePort));
    const listen = `127.0.0.1:${await freePort()}`;
    // HAProxy chooses at random on a ring of hashes, on which each unit of weight is 16 points. With weight 1, shares are uneven.
    const lines = ports.map(
      (port, i) => `  server s${i} 127.0.0.1:${port} weight 256 check inter 100ms fall 3 rise 1\n`,
    );
    const timeouts = ["connect 5s", "client 1m", "server 1m", "check 5s"].map((each) => `  timeout ${each}\n`).join("");
    const config = join(folder, "haproxy.cfg");
    const statsPath = join(folder, "haproxy.sock");
    await writeFile(
      config,
      `global\n  stats socket ${statsPath}\ndefaults\n  mode tcp\n  option redispatch 1\n${timeouts}listen l\n  bind ${listen}\n  balance ${BALANCE[policy]}\n` +
        `  option httpchk GET /healthz\n${lines.join("")}`,
    );
    const haproxy = spawn("haproxy", ["-db", "-f", config], { stdio: "ignore" });
    const servers = new BalancedServers(ports, listen, { haproxy, statsPath, maxConnectionAgeMs });
    await Promise.all(first.map((number) => servers.#add(number)));
    await sleep(NOTICE_MS);
    return servers;
  }

  /** The number of successful calls. */
  get calls(): number {
    return this.#clients.reduce((sum, { calls }) => sum + calls, 0);
  }

  /** Returns the number of clients whose newest call was at the server. */
  loadOf(number: number): number {
    return this.#clients.filter(({ server }) => server === number).length;
  }

  /** Returns the loads of the servers that run. */
  loads(): number[] {
    return [...this.#servers.keys()].map((number) => this.loadOf(number));
  }

  /** Starts clients one after the other, evenly over this time. */
  async addClients(count: number, ms: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const client = new BusyClient(this.#listen);
      this.#clients.push(client);
      this.#runs.push(client.run(this.#stop.signal));
      await sleep(ms / count);
    }
  }

  /**
   * Opens and closes connections. The random numbers of HAProxy are the same after each start, so a run with another count has
   * others.
   */
  async skip(count: number): Promise<void> {
    const [host, port] = this.#listen.split(":");
    for (let i = 0; i < count; i++) {
      const socket = connect({ host: host as string, port: Number(port) });
      await once(socket, "connect");
      socket.destroy();
    }
  }

  /** Starts a server. Resolves when HAProxy has noticed it. */
  async addServer(number: number): Promise<void> {
    await this.#add(number);
    while (!(await this.#isUp(number))) await sleep(POLL_MS);
  }

  /** Closes a server gracefully. Resolves when its clients call others. */
  async removeServer(number: number): Promise<void> {
    const server = this.#servers.get(number);
    await server?.close({ delayMs: NOTICE_MS, graceMs: 10_000 });
    this.#servers.delete(number);
    while (this.loadOf(number) > 0) await sleep(PAUSE_MS);
  }

  /** Stops the clients. Rejects if a call has failed. */
  async stopClients(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#runs);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#haproxy.kill("SIGKILL");
    await Promise.all([...this.#servers.values()].map((server) => server.close({ delayMs: 0, graceMs: 1_000 })));
  }

  /** Asks HAProxy for the state of a server. */
  async #isUp(number: number): Promise<boolean> {
    const socket = connect(this.#statsPath).setEncoding("utf8");
    socket.write("show stat\n");
    const rows = (await Array.fromAsync(socket)).join("").split("\n");
    return rows.some((row) => row.startsWith(`l,s${number},`) && row.split(",")[STATUS_COLUMN] === "UP");
  }

  async #add(number: number): Promise<void> {
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
      limits: { maxConnectionAgeMs: this.#maxConnectionAgeMs },
      log: () => {},
    });
    this.#servers.set(number, server);
    await server.listen({ host: "127.0.0.1", port: this.#ports[number] as number });
  }
}

/** Returns a port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}
