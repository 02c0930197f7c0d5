/**
 * Tests clients that balance themselves, without a proxy: grpc-go and grpc-js with the policy round_robin, which get the
 * addresses of all replicas from a real DNS server. The replicas are servers on 127.0.0.11 and the addresses after it.
 */
import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import { mkdtemp, rm } from "node:fs/promises";
import type { LookupFunction } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, type GrpcTransportOptions } from "@connectrpc/connect-node";
import { findJudge } from "../support/judge.ts";
import { freePort } from "../support/prometheus.ts";
import { Echo, echoRoutes } from "../support/protos.ts";
import { startServer } from "../support/server.ts";
import {
  BalancedClient,
  buildGrpcGo,
  type ClientCommand,
  type ClientOptions,
  GRPC_JS,
} from "./support/balanced-clients.ts";
import { NAME, type NameServer, startNameServer } from "./support/dns.ts";

let builtGo: Promise<ClientCommand> | undefined;
const goFolder = await mkdtemp(join(tmpdir(), "grpc-go-"));
after(() => rm(goFolder, { recursive: true }));

/** Returns the command of a client. Without Go, skips the test of grpc-go and returns undefined, or fails it in CI. */
async function commandOf(t: TestContext, name: "grpc-go" | "grpc-js"): Promise<ClientCommand | undefined> {
  if (name === "grpc-js") return GRPC_JS;
  const go = findJudge(t, "go");
  if (go === undefined) return undefined;
  builtGo ??= buildGrpcGo(go, goFolder);
  return builtGo;
}

const AGE_MS = 400;
const DNS_INTERVAL_MS = 500;
/** The least time between two DNS queries by default, in both clients. */
const DEFAULT_DNS_INTERVAL_MS = 30_000;
const WAIT_MS = 20_000;
/** The number of calls over which a spread is judged. */
const CALLS = 200;
/** The least part of an equal share that each replica gets. A replica gets no calls while its client connects again. */
const LEAST_SHARE = 0.5;

/** Replicas with one port, a name for them, and the clients of the name. */
class Replicas {
  readonly #t: TestContext;
  readonly #port: number;
  readonly #dns: NameServer;
  readonly #maxConnectionAgeMs: number;

  constructor(t: TestContext, dns: NameServer, port: number, maxConnectionAgeMs: number) {
    this.#t = t;
    this.#dns = dns;
    this.#port = port;
    this.#maxConnectionAgeMs = maxConnectionAgeMs;
  }

  /** Starts a replica that responds with its address. Returns a function that closes it gracefully. */
  async start(address: string): Promise<() => Promise<unknown>> {
    const { server } = await startServer(this.#t, {
      limits: { maxConnectionAgeMs: this.#maxConnectionAgeMs },
      routes: echoRoutes({ say: () => ({ value: address }) }),
    });
    await server.listen({ host: address, port: this.#port });
    return () => server.close({ delayMs: 0 });
  }

  /** Makes the name stand for these addresses. */
  async name(...addresses: readonly string[]): Promise<void> {
    await this.#dns.set(addresses);
  }

  /** Returns options of a transport that gets all addresses of the name from the DNS server. */
  optionsOfConnectNode(): GrpcTransportOptions {
    const resolver = new Resolver();
    resolver.setServers([this.#dns.authority]);
    const lookup: LookupFunction = (name, _options, done) => {
      resolver.resolve4(name).then(
        (all) =>
          done(
            null,
            all.map((address) => ({ address, family: 4 })),
          ),
        (error) => done(error, []),
      );
    };
    return { baseUrl: `http://${NAME}:${this.#port}`, nodeOptions: { lookup } };
  }

  call(command: ClientCommand, options: Omit<ClientOptions, "target">): BalancedClient {
    const target = `dns://${this.#dns.authority}/${NAME}:${this.#port}`;
    return new BalancedClient(this.#t, command({ target, ...options }));
  }
}

const [A, B, C, D] = ["127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.14"] as const;

/** Starts the DNS server and the replicas A and B. Returns undefined if the test is skipped. */
async function startTwo(t: TestContext, maxConnectionAgeMs = Infinity) {
  const dnsmasq = findJudge(t, "dnsmasq", "/usr/sbin/dnsmasq");
  if (dnsmasq === undefined) return undefined;
  const replicas = new Replicas(t, await startNameServer(t, dnsmasq, [A, B]), await freePort(), maxConnectionAgeMs);
  return { replicas, closeA: await replicas.start(A), closeB: await replicas.start(B) };
}

/** True if each of these replicas has at least LEAST_SHARE of its equal share of the calls. */
function isSpread(counts: Readonly<Record<string, number>>, ...replicas: readonly string[]): boolean {
  return replicas.every((replica) => (counts[replica] ?? 0) >= (LEAST_SHARE * CALLS) / replicas.length);
}

for (const name of ["grpc-go", "grpc-js"] as const) {
  for (const { policy, maxConnectionAgeMs, spreads, reaches } of [
    { policy: "round_robin", maxConnectionAgeMs: AGE_MS, spreads: true, reaches: true },
    { policy: "round_robin", maxConnectionAgeMs: Infinity, spreads: true, reaches: false },
    { policy: "pick_first", maxConnectionAgeMs: Infinity, spreads: false, reaches: false },
  ] as const) {
    const over = spreads ? "all replicas" : "one replica";
    const effect = reaches ? "reach a new one" : "never reach a new one";
    test(`calls of ${name} with ${policy} go to ${over}, and ${effect} at a maximum age of ${maxConnectionAgeMs} ms`, async (t) => {
      const command = await commandOf(t, name);
      const started = command && (await startTwo(t, maxConnectionAgeMs));
      if (command === undefined || started === undefined) return;
      const { replicas } = started;
      const client = replicas.call(command, { policy, dnsIntervalMs: DNS_INTERVAL_MS });
      // The first replica to which the client has connected gets the first calls.
      const first = (): boolean => spreads && !new Set(client.servers).isSupersetOf(new Set([A, B]));
      await client.until(() => client.servers.length > 0 && !first(), WAIT_MS);
      const before = await client.count(CALLS, WAIT_MS);
      assert.equal(isSpread(before, A, B), spreads, JSON.stringify(before));
      await replicas.start(C);
      await replicas.name(A, B, C);
      const ms = reaches ? WAIT_MS : 2 * (AGE_MS + DNS_INTERVAL_MS);
      assert.equal(await client.until(() => client.servers.includes(C), ms), reaches);
      const after = await client.count(CALLS, WAIT_MS);
      assert.equal(isSpread(after, A, B, C), reaches, JSON.stringify(after));
      await client.stop();
      assert.deepEqual(client.failures, []);
      t.diagnostic(`${client.servers.length} calls, 0 lost; ${JSON.stringify(before)}, then ${JSON.stringify(after)}`);
    });
  }

  for (const { dnsIntervalMs, loses } of [
    { dnsIntervalMs: DNS_INTERVAL_MS, loses: false },
    { dnsIntervalMs: DEFAULT_DNS_INTERVAL_MS, loses: true },
  ]) {
    test(`a rollout that ${loses ? "is faster than" : "waits for"} the DNS queries of ${name} loses ${loses ? "" : "no "}calls`, async (t) => {
      const command = await commandOf(t, name);
      const started = command && (await startTwo(t));
      if (command === undefined || started === undefined) return;
      const { replicas, closeA, closeB } = started;
      const client = replicas.call(command, { policy: "round_robin", dnsIntervalMs });
      await client.until(() => new Set(client.servers).size === 2, WAIT_MS);
      for (const [added, all, close] of [
        [C, [B, C], closeA],
        [D, [C, D], closeB],
      ] as const) {
        await replicas.start(added);
        await replicas.name(...all);
        await close();
        if (!loses) assert.ok(await client.until(() => client.servers.includes(added), WAIT_MS));
      }
      if (loses) assert.ok(await client.until(() => client.failures.length > 0, WAIT_MS));
      await client.stop();
      if (!loses) assert.deepEqual(client.failures, []);
      t.diagnostic(`${client.servers.length} calls, ${client.failures.length} lost: ${client.failures[0]}`);
    });
  }
}

test("calls of connect-node go to one replica, because a transport has one connection", async (t) => {
  const started = await startTwo(t);
  if (started === undefined) return;
  const { say } = createClient(Echo, createGrpcTransport(started.replicas.optionsOfConnectNode()));
  const responses = await Promise.all(Array.from({ length: CALLS }, () => say({ value: "" })));
  assert.equal(new Set(responses.map(({ value }) => value)).size, 1);
});
