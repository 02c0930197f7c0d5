/** Runs attacks as tests: first all of them without their limits, which warms the process, then one after the other. */
import { after, describe, test } from "node:test";
import { type Attack, tryBound, tryUnbound } from "./attack.ts";
import { Victim } from "./victim.ts";

/** The time limit of each test, which includes the work of all that run at the same time. */
const CONCURRENCY = 8;

/** Tries all attacks at the same time without their limits, and then each with its limit. */
export function testAttacks(attacks: readonly Attack[]): void {
  const victim = new Victim();
  after(() => victim.end());
  describe("without its bound", { concurrency: CONCURRENCY }, () => {
    for (const attack of attacks) {
      if (attack.off !== undefined) test(`nothing cuts ${nameOf(attack)}`, () => tryUnbound(victim, attack));
    }
  });
  describe("with its bound", () => {
    for (const attack of attacks) {
      test(`${nameOf(attack)} is cut, and nobody else`, async () => void (await tryBound(victim, attack)));
    }
  });
}

/**
 * Tries the attacks one after the other, each in its own process: memory that one process keeps would hide that of the
 * next attack.
 */
export function testAttacksApart(attacks: readonly Attack[]): void {
  async function apart(attempt: (victim: Victim, attack: Attack) => Promise<unknown>, attack: Attack): Promise<void> {
    const victim = new Victim();
    try {
      await attempt(victim, attack);
    } finally {
      victim.end();
    }
  }
  for (const attack of attacks) {
    if (attack.off !== undefined) test(`nothing cuts ${nameOf(attack)}`, () => apart(tryUnbound, attack));
    test(`${nameOf(attack)} is cut, and nobody else`, () => apart(tryBound, attack));
  }
}

function nameOf({ name, http, tls, fastPath = true }: Attack): string {
  return `${name}, over HTTP/${http}${tls ? " and TLS" : ""}${fastPath ? "" : ", without the fast path"}`;
}
