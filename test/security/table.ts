/** Prints the outcome of every attack as a table in Markdown: `tools/node.sh test/security/table.ts`. */

import { CALL_ATTACKS } from "./attacks/calls.ts";
import { HTTP1_ATTACKS } from "./attacks/http1.ts";
import { HTTP2_ATTACKS } from "./attacks/http2.ts";
import { MESSAGE_ATTACKS } from "./attacks/messages.ts";
import { QUEUED_ATTACKS } from "./attacks/queued.ts";
import { TLS_ATTACKS } from "./attacks/tls.ts";
import { ATTACKS_WITHOUT_FAST_PATH } from "./attacks/without-fast-path.ts";
import { tryWithLimit } from "./support/attack.ts";
import { Victim } from "./support/victim.ts";

const ATTACKS = [
  ...HTTP1_ATTACKS,
  ...HTTP2_ATTACKS,
  ...QUEUED_ATTACKS,
  ...CALL_ATTACKS,
  ...MESSAGE_ATTACKS,
  ...ATTACKS_WITHOUT_FAST_PATH,
  ...TLS_ATTACKS,
];

const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);

console.log("| attack | HTTP | limit | outcome | good calls, failed | MiB before | peak | after | sockets |");
console.log("|---|---|---|---|---|---|---|---|---|");
const victim = new Victim();
for (const attack of ATTACKS) {
  const { seen, met, calls, failures, before, after } = await tryWithLimit(victim, attack);
  const cells = [
    `${attack.name}${attack.fastPath === false ? ", without the fast path" : ""}`,
    `${attack.http}${attack.tls ? " TLS" : ""}`,
    met ?? Object.keys(attack.off ?? {})[0] ?? "-",
    seen,
    `${calls}, ${failures.length}`,
    ...[before.memory, after.peak, after.memory].map(megabytes),
    `${before.sockets}, ${after.sockets}`,
  ];
  console.log(`| ${cells.join(" | ")} |`);
}
victim.end();
