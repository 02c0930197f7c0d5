/**
 * The process of the attacked servers. Starts and stops servers on orders of its parent, and measures their memory.
 * Needs --expose-gc.
 */
import { subscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Limits } from "../../../src/server/limits/limits.ts";
import type { TlsCredentials } from "../../../src/server/listener/tls-credentials.ts";
import type { Routes } from "../../../src/server/rpc/options.ts";
import { createServer, type Server } from "../../../src/server/server.ts";
import { checkedText } from "../../support/log.ts";
import { echoRoutes } from "../../support/protos.ts";

// Node loads the class, with 5 MB of other code, when it is first used. An attack would seem to leave them behind.
new Headers();

export interface StartOptions {
  readonly limits: Partial<Limits>;
  readonly fastPath: boolean;
  readonly tls?: TlsCredentials | undefined;
}

/** The resources of the process, after garbage collection. */
export interface Held {
  /** Bytes of the heap, and of buffers outside of it. */
  readonly memory: number;
  /** The maximum of `memory` since the last order, with garbage. */
  readonly peak: number;
  /** The maximum of the resident set since the last order, which includes native libraries. */
  readonly residentPeak: number;
  /** Resources that keep the event loop alive: timers, sockets, listeners. */
  readonly handles: number;
  readonly sockets: number;
}

/** The ports of a connection: that of this process, and that of the client. */
interface Ports {
  readonly server: number;
  readonly client: number;
}

export type Order =
  | { readonly do: "start"; readonly options: StartOptions }
  | { readonly do: "stop"; readonly id: number }
  /** Measures the memory. `settle` ends the stuck handlers of all servers first. */
  | { readonly do: "measure"; readonly settle?: boolean }
  /** Returns the milliseconds of CPU time since the process began. */
  | { readonly do: "cpu" }
  /** True if the connection with these ports is open. */
  | { readonly do: "holds"; readonly ports: Ports };

export interface Reply {
  readonly start: { readonly id: number; readonly port: number };
  /** The log of the server. */
  readonly stop: readonly string[];
  readonly measure: Held;
  readonly cpu: number;
  readonly holds: boolean;
}

interface Running {
  readonly server: Server;
  readonly log: string[];
  /** Functions that end the stuck handlers. */
  readonly stuck: Set<() => void>;
}

const servers = new Map<number, Running>();
const connections = new Set<string>();
const collect = globalThis.gc as () => void;
let started = 0;
let peak = 0;
let residentPeak = 0;

subscribe("net.server.socket", (message) => {
  const { socket } = message as { socket: Socket };
  const name = nameOf({ server: socket.localPort as number, client: socket.remotePort as number });
  connections.add(name);
  socket.on("close", () => connections.delete(name));
});
setInterval(() => {
  peak = Math.max(peak, memory());
  residentPeak = Math.max(residentPeak, process.memoryUsage.rss());
}, 5).unref();

/** Each method follows its request: "large N", "slow N" for N ms, "stuck", or any other text, which is returned. */
function routesOf(stuck: Set<() => void>): Routes {
  async function play(text: string): Promise<string> {
    const [, what, number] = /^(large|slow|stuck) ?(\d*)$/.exec(text) ?? [];
    if (what === "large") return "x".repeat(Number(number));
    if (what === "slow") await sleep(Number(number));
    // This handler ignores its signal.
    if (what === "stuck") await new Promise<void>((resolve) => stuck.add(resolve));
    return text;
  }
  return echoRoutes({
    async say({ value }) {
      return { value: await play(value) };
    },
    async *repeat({ value }) {
      const [, count = "1", word = ""] = /^(\d+) times (.*)$/.exec(value) ?? [];
      for (let i = 0; i < Number(count); i++) yield { value: await play(word) };
    },
    async join(requests) {
      let length = 0;
      for await (const { value } of requests) length += value.length;
      return { value: String(length) };
    },
    async *chat(requests) {
      yield* requests;
    },
  });
}

const ORDERS: { readonly [D in Order["do"]]: (order: Order & { do: D }) => Promise<Reply[D]> } = {
  async start({ options }) {
    const log: string[] = [];
    const stuck = new Set<() => void>();
    const server = createServer({
      routes: routesOf(stuck),
      homePage: true,
      log: (record) => log.push(checkedText(record)),
      ...options,
    });
    const id = started++;
    servers.set(id, { server, log, stuck });
    const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
    return { id, port };
  },
  async stop({ id }) {
    const running = servers.get(id) as Running;
    const { server, log } = running;
    letGo(running);
    await server.close({ delayMs: 0, idleMs: 0, graceMs: 0, abortMs: 0 });
    servers.delete(id);
    return log;
  },
  async measure({ settle = false }) {
    if (settle) for (const running of servers.values()) letGo(running);
    // Objects that a callback of this turn uses are garbage in the next turn.
    for (let i = 0; i < 3; i++) {
      await sleep(5);
      collect();
    }
    const resources = process.getActiveResourcesInfo();
    const held = { memory: memory(), peak, residentPeak, handles: resources.length, sockets: connections.size };
    peak = 0;
    residentPeak = process.memoryUsage.rss();
    return held;
  },
  async cpu() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  async holds({ ports }) {
    return connections.has(nameOf(ports));
  },
};

process.on("message", async ({ number, order }: { number: number; order: Order }) => {
  process.send?.({ number, reply: await ORDERS[order.do](order as never) });
});

function nameOf({ server, client }: Ports): string {
  return `${server} ${client}`;
}

function memory(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function letGo({ stuck }: Running): void {
  for (const resolve of stuck) resolve();
  stuck.clear();
}
