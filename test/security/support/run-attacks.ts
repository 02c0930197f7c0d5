/** Runs attacks as tests: first all of them without their limits, which warms the process, then one after the other. */
import { after, describe, test } from "node:test";
import { type Attack, tryWithLimit, tryWithoutLimit } from "./attack.ts";
import { Victim } from "./victim.ts";

/** Few enough that no test exceeds its time limit, which includes the work of all that run at the same time. */
const CONCURRENCY = 8;

/** Tries all attacks at the same time without their limits, and then each with its limit. */
export function testAttacks(attacks: readonly Attack[]): void {
  const victim = new Victim();
  after(() => victim.end());
  describe("without limits", { concurrency: CONCURRENCY }, () => {
    for (const attack of attacks) {
      if (attack.off !== undefined)
        test(`without its limit, ${nameOf(attack)} succeeds`, () => tryWithoutLimit(victim, attack));
    }
  });
  describe("with limits", () => {
    for (const attack of attacks) {
      test(`${nameOf(attack)} is stopped, and good clients are served`, async () =>
        void (await tryWithLimit(victim, attack)));
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
    if (attack.off !== undefined)
      test(`without its limit, ${nameOf(attack)} succeeds`, () => apart(tryWithoutLimit, attack));
    test(`${nameOf(attack)} is stopped, and good clients are served`, () => apart(tryWithLimit, attack));
  }
}

function nameOf({ name, http, tls, fastPath = true }: Attack): string {
  return `${name}, over HTTP/${http}${tls ? " and TLS" : ""}${fastPath ? "" : ", without the fast path"}`;
}
