/** Clients that choose a server for each call by themselves: programs on grpc-go and grpc-js that call fixture.Echo/Say. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ENV, run } from "../../support/command.ts";

const FOLDER = join(import.meta.dirname, "../clients");
const POLL_MS = 20;

export interface ClientOptions {
  /** Such as dns://127.0.0.1:5353/name:50051. The first address is that of the DNS server. */
  readonly target: string;
  readonly policy: "round_robin" | "pick_first";
  /** The least time between two DNS queries. */
  readonly dnsIntervalMs: number;
}

/** The command of a client with these options. */
export type ClientCommand = (options: ClientOptions) => readonly [program: string, ...args: string[]];

/** The command of the client on grpc-js. */
export const GRPC_JS: ClientCommand = ({ target, policy, dnsIntervalMs }) => [
  process.execPath,
  join(FOLDER, "grpc-js.ts"),
  target,
  policy,
  String(dnsIntervalMs),
];

/** Compiles the client on grpc-go with the program `go` into this folder, and returns its command. */
export async function buildGrpcGo(go: string, folder: string): Promise<ClientCommand> {
  const program = join(folder, "client");
  const { code, stderr } = await run(go, ["build", "-o", program, "."], { cwd: FOLDER });
  if (code !== 0) throw new Error(`build the client on grpc-go: ${stderr}`);
  return ({ target, policy, dnsIntervalMs }) => [
    program,
    ...["-target", target, "-policy", policy, "-dns-interval", `${dnsIntervalMs}ms`],
  ];
}

/** A client that runs, with its calls. */
export class BalancedClient {
  /** The responses to all calls, each the name of a server. */
  readonly servers: string[] = [];
  readonly failures: string[] = [];
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #closed: Promise<unknown>;

  constructor(t: TestContext, [program, ...args]: ReturnType<ClientCommand>) {
    this.#child = spawn(program, args, {
      env: { ...ENV, GRPC_NODE_USE_ALTERNATIVE_RESOLVER: "true" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#closed = once(this.#child, "close");
    createInterface(this.#child.stdout).on("line", (line) =>
      line.startsWith("error: ") ? this.failures.push(line) : this.servers.push(line),
    );
    t.after(() => this.#child.kill("SIGKILL"));
  }

  /** Waits until `isTrue` returns true, but for `ms` at most. Returns the result of `isTrue`. */
  async until(isTrue: () => boolean, ms: number): Promise<boolean> {
    for (const end = performance.now() + ms; !isTrue() && performance.now() < end; ) await sleep(POLL_MS);
    return isTrue();
  }

  /** Waits for the next `calls` successful calls, for `ms` at most. Returns how many each server had. */
  async count(calls: number, ms: number): Promise<Readonly<Record<string, number>>> {
    const from = this.servers.length;
    await this.until(() => this.servers.length >= from + calls, ms);
    const counts: Record<string, number> = {};
    for (const server of this.servers.slice(from, from + calls)) counts[server] = (counts[server] ?? 0) + 1;
    return counts;
  }

  /** Ends the client after its calls in flight. */
  async stop(): Promise<void> {
    this.#child.stdin.end();
    await this.#closed;
  }
}
