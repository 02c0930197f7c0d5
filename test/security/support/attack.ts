/**
 * Tries an attack twice: with its limit off, when it must succeed, and with the limit on. Then a good client's calls
 * must all succeed, and the server must free all memory afterwards.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { LimitName, Limits } from "../../../src/server/limits/limits.ts";
import { SERVER } from "../../support/certificates.ts";
import { GoodClient } from "./good-client.ts";
import { Peer } from "./peer.ts";
import type { Held, StartOptions } from "./server-process.ts";
import type { Victim } from "./victim.ts";

export interface Attack {
  /** The attack in words, for the name of its test. */
  readonly name: string;
  readonly http: "1.1" | "2";
  /** True if the server speaks TLS. Default: false. */
  readonly tls?: boolean;
  /** True if calls take the fast path. Default: true. */
  readonly fastPath?: boolean;
  /** Limits that differ from the defaults, mostly shorter times. */
  readonly limits?: Partial<Limits>;
  /** The limits that stop the attack, turned off; undefined if an ordinary response stops it. */
  readonly off: Partial<Limits> | undefined;
  /** The limit in the log, if it is not one of `off`; null if the event is too ordinary to be logged. */
  readonly logged?: LimitName | null;
  /** Makes the attack, and returns its outcome in words. */
  readonly run: (target: Target) => Promise<string>;
  /** Makes the good client call health instead of Echo, if the attack uses up memory that all clients share. */
  readonly good?: "health";
  /** The outcome with the limit, and without it. */
  readonly cut: RegExp;
  readonly uncut?: RegExp;
}

/** The attacked server, and tools for an attack. */
export interface Target {
  readonly url: string;
  /** Opens a connection of the attack's HTTP version, over TLS if the server speaks it. Sends `first`. */
  connect(...first: (Uint8Array | string)[]): Promise<Peer>;
  /** Opens a connection without TLS, even if the server speaks TLS. Sends `first`. */
  connectBare(...first: (Uint8Array | string)[]): Promise<Peer>;
  /** Waits until the server has dropped the connection, if it does. Also for peers that do not read. */
  dropped(peer: Peer): Promise<"dropped" | "held">;
  /** Resets the connection, and waits as `dropped` does. */
  reset(peer: Peer): Promise<"dropped" | "held">;
  /** Resolves after the server has read all that was sent to it. A busy machine may take seconds for that. */
  turn(): Promise<unknown>;
  /** Returns the response, or "unanswered" if none comes. */
  answer(answer: Promise<string>): Promise<string>;
  /** Returns the maximum of the server's memory during `run`, minus the memory before. */
  growth(run: () => Promise<unknown>): Promise<number>;
  /** Returns the server's memory after `run`, without garbage, minus the memory before. */
  held(run: () => Promise<unknown>): Promise<number>;
  /**
   * Like `growth`, for the resident set, which includes the memory of zlib. A process rarely returns it to the system.
   */
  residentGrowth(run: () => Promise<unknown>): Promise<number>;
}

export interface Result {
  /** The outcome of the attack in words. */
  readonly seen: string;
  /** The limit that the server logged. */
  readonly met: string | undefined;
  readonly calls: number;
  readonly failures: readonly unknown[];
  readonly before: Held;
  readonly after: Held;
}

/** Milliseconds of an attack without limits: longer than all times that attacks shorten. */
const UNBOUND_MS = 700;
/** Milliseconds for the SETTINGS acknowledgement without limits, for a machine that is busy with many attacks. */
const UNBOUND_SETTINGS_MS = 60_000;
/** Milliseconds in which a limit must have stopped the attack. */
const BOUND_MS = 20_000;
/** Maximum of the memory after an attack, divided by that before. */
const TOLERANCE = 1.06;

/** Tries the attack with its limit off. */
export async function tryWithoutLimit(victim: Victim, attack: Attack): Promise<void> {
  const limits = { settingsMs: UNBOUND_SETTINGS_MS, ...attack.limits, ...attack.off };
  await victim.serving(optionsOf(attack, limits), async (url) => {
    const uncut = attack.uncut ?? /open$/;
    let seen = "";
    // On a busy machine, the server may respond later.
    for (let ms = UNBOUND_MS; ms < BOUND_MS && !uncut.test(seen); ms *= 4) {
      seen = await attacked(victim, attack, url, ms);
      assert.doesNotMatch(seen, attack.cut, "the attack is stopped without its limit");
    }
    assert.match(seen, uncut);
  });
}

/** Tries the attack with its limit on, beside a good client. */
export async function tryWithLimit(victim: Victim, attack: Attack): Promise<Result> {
  const { result, log } = await victim.serving(optionsOf(attack, attack.limits ?? {}), async (url) => {
    const client = new GoodClient(url, attack.good);
    try {
      await client.connect();
      const before = await victim.tell({ do: "measure" });
      client.start();
      const seen = await attacked(victim, attack, url, BOUND_MS);
      await client.stop();
      const { calls, failures } = client;
      return { seen, calls, failures, before, after: await restored(victim, before) };
    } finally {
      await client.stop();
      client.close();
    }
  });
  const bounds = attack.logged === undefined ? Object.keys(attack.off ?? {}) : [attack.logged];
  const met = bounds.find((bound) => log.some((entry) => entry.startsWith(`limit ${bound}: `))) ?? undefined;
  check(attack, { ...result, met });
  return { ...result, met };
}

function optionsOf({ fastPath = true, tls }: Attack, limits: Partial<Limits>): StartOptions {
  return { limits, fastPath, tls: tls ? SERVER : undefined };
}

function check(attack: Attack, { seen, met, failures, before, after }: Result): void {
  assert.match(seen, attack.cut);
  if (attack.off !== undefined && attack.logged !== null)
    assert.ok(met !== undefined, "the log does not name the limit that was met");
  assert.deepEqual(failures, [], "calls of the good client");
  assert.ok(after.memory <= before.memory * TOLERANCE, `${before.memory} bytes became ${after.memory}`);
  assert.ok(after.handles <= before.handles, `${before.handles} handles became ${after.handles}`);
  assert.ok(after.sockets <= before.sockets, `${before.sockets} sockets became ${after.sockets}`);
}

async function attacked(victim: Victim, attack: Attack, url: string, patience: number): Promise<string> {
  const peers: Peer[] = [];
  const connect = async (bare: boolean, first: readonly (Uint8Array | string)[]): Promise<Peer> => {
    const peer = await Peer.connect(url, attack.http, patience, bare);
    peers.push(peer);
    if (first.length > 0) peer.send(...first);
    return peer;
  };
  const turn = (): Promise<unknown> => victim.tell({ do: "cpu" });
  async function dropped({ socket }: Peer): Promise<"dropped" | "held"> {
    const ports = { server: Number(new URL(url).port), client: socket.localPort as number };
    await turn();
    await turn(); // a connection waits in the backlog until the server's process has time
    const end = Date.now() + patience;
    while (Date.now() < end) {
      if (!(await victim.tell({ do: "holds", ports }))) return "dropped";
      await sleep(10);
    }
    return "held";
  }
  const target: Target = {
    url,
    connect: (...first) => connect(false, first),
    connectBare: (...first) => connect(true, first),
    dropped,
    reset(peer) {
      const end = dropped(peer);
      peer.reset();
      return end;
    },
    turn,
    answer: (answer) => Promise.race([answer, sleep(patience, "unanswered", { ref: false })]),
    async growth(run) {
      const { memory } = await victim.tell({ do: "measure" });
      await run();
      return (await victim.tell({ do: "measure" })).peak - memory;
    },
    async held(run) {
      const { memory } = await victim.tell({ do: "measure" });
      await run();
      return (await victim.tell({ do: "measure" })).memory - memory;
    },
    async residentGrowth(run) {
      await victim.tell({ do: "measure" });
      const { residentPeak } = await victim.tell({ do: "measure" });
      await run();
      return (await victim.tell({ do: "measure" })).residentPeak - residentPeak;
    },
  };
  try {
    return await attack.run(target);
  } finally {
    for (const { socket } of peers) socket.destroy();
  }
}

/** Returns the memory when it has settled, or after the last try. */
async function restored(victim: Victim, before: Held): Promise<Held> {
  let peak = 0;
  for (let tries = 0; ; tries++) {
    const after = await victim.tell({ do: "measure", settle: true });
    peak = Math.max(peak, after.peak);
    const settled =
      after.sockets <= before.sockets && after.handles <= before.handles && after.memory <= before.memory * TOLERANCE;
    if (settled || tries === 50) return { ...after, peak };
    await sleep(tries * 5);
  }
}
