/**
 * How an attack is tried: once with its bound off, where nothing may cut it, and once with it, beside a good client whose
 * calls all succeed, and after which the server holds no more than before.
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
  /** What the peer does. */
  readonly name: string;
  readonly http: "1.1" | "2";
  /** The server speaks TLS. Default: false. */
  readonly tls?: boolean;
  /** Unary calls take the fast path. Default: true. */
  readonly fastPath?: boolean;
  /** Limits other than the defaults: times are shortened. */
  readonly limits?: Partial<Limits>;
  /** The bound that cuts it, as it is turned off; undefined where a plain answer is all that it needs. */
  readonly off: Partial<Limits> | undefined;
  /** What the log names where it is not one of them; null for what is too ordinary to be logged. */
  readonly logged?: LimitName | null;
  /** Attacks, and says what came of it. */
  readonly run: (target: Target) => Promise<string>;
  /** What the good client calls: Echo, unless the attack takes room that all have together, where health must still answer. */
  readonly good?: "health";
  /** What comes of it with the bound, and without. */
  readonly cut: RegExp;
  readonly uncut?: RegExp;
}

/** What the attacker is given. */
export interface Target {
  readonly url: string;
  /** A new connection, of the attack's HTTP version, over TLS where the server speaks it. */
  connect(...first: (Uint8Array | string)[]): Promise<Peer>;
  /** A new connection without TLS, whatever the server speaks. */
  connectBare(...first: (Uint8Array | string)[]): Promise<Peer>;
  /** Waits until the server has given the connection up, if it does; says so for a peer that does not read. */
  dropped(peer: Peer): Promise<"dropped" | "held">;
  /** Resets the connection, and waits as dropped does. */
  reset(peer: Peer): Promise<"dropped" | "held">;
  /** Resolves after the server has read what has come to it. A busy machine may take seconds for that. */
  turn(): Promise<unknown>;
  /** The answer, or "unanswered" where none comes. */
  answer(answer: Promise<string>): Promise<string>;
  /** The most bytes that the server held while it ran, over what it held before. */
  growth(run: () => Promise<unknown>): Promise<number>;
  /** Returns the bytes that the server holds after `run`, without garbage, over those before. */
  held(run: () => Promise<unknown>): Promise<number>;
  /** The same of the process's resident set: it has the memory of zlib, and a process keeps what it had once. */
  residentGrowth(run: () => Promise<unknown>): Promise<number>;
}

export interface Result {
  /** What the attacker saw. */
  readonly seen: string;
  /** The bound that cut it, as the server logged. */
  readonly met: string | undefined;
  readonly calls: number;
  readonly failures: readonly unknown[];
  readonly before: Held;
  readonly after: Held;
}

/** ms that an attacker with nothing to bound it goes on for: longer than all times that attacks shorten. */
const UNBOUND_MS = 700;
/** ms for SETTINGS without a bound: many attacks at once keep a busy machine from acknowledging them in time. */
const UNBOUND_SETTINGS_MS = 60_000;
/** ms in which a bound must have shown itself. */
const BOUND_MS = 20_000;
/** What may be held after an attack, of what was before it. */
const TOLERANCE = 1.05;

/** With its bound off. */
export async function tryUnbound(victim: Victim, attack: Attack): Promise<void> {
  const limits = { settingsMs: UNBOUND_SETTINGS_MS, ...attack.limits, ...attack.off };
  await victim.serving(optionsOf(attack, limits), async (url) => {
    const uncut = attack.uncut ?? /open$/;
    let seen = "";
    // A server that a busy machine leaves no time answers later, but it does.
    for (let ms = UNBOUND_MS; ms < BOUND_MS && !uncut.test(seen); ms *= 4) {
      seen = await attacked(victim, attack, url, ms);
      assert.doesNotMatch(seen, attack.cut, "it is cut without its bound");
    }
    assert.match(seen, uncut);
  });
}

/** With its bound, and a good client beside it. */
export async function tryBound(victim: Victim, attack: Attack): Promise<Result> {
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

/** What is held when all has settled that does. */
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
