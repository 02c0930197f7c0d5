/** Writes docs/limits.md from the table of limits. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { LIMIT_SETTINGS, type LimitSetting } from "../src/cli/limit-settings.ts";
import type { Limit } from "../src/server/limits/definition.ts";
import { LIMITS } from "../src/server/limits/limits.ts";

const HEADINGS = ["option and flag", "default", "limited quantity", "effect above the limit", "reason for the default"];

const TOTAL = LIMIT_SETTINGS.map(({ name }) => name).filter((name) => (LIMITS[name] as Limit).isTotal);

/** Returns the text of docs/limits.md. */
export function limitsDocument(): string {
  return `# Limits

The limits on what one client, and all clients together, may use up. \`npm run generate\` writes this file from
[src/server/limits/limits.ts](../src/server/limits/limits.ts). The server and \`--help\` of the program read the same table.

Each limit can be set in three ways:

- as an option: \`createServer({ routes, limits: { messageBytes: 1_048_576 } })\`
- as a flag of the program: \`--message-bytes 1MiB\`
- as an environment variable of the program: \`MESSAGE_BYTES=1MiB\`

The value of an option is a number of its unit: bytes, ms or the unit in the table. \`Infinity\` turns a limit off; a minimum rate
in bytes per second is turned off by 0. Flags and variables also take a number with a unit (ms, s, m, h, KiB, MiB, GiB), or \`off\`.
An invalid value is an error: the program exits with 2, and \`createServer\` throws a RangeError or TypeError.

The server logs each limit that is exceeded, at most one line a second for each.

With \`--workers N\`, each worker enforces an Nth, rounded up, of the limits that count over all connections. By default, however,
each worker has at least 16 MiB of each of these limits on bytes, if its part of the memory allows it:

${TOTAL.map((name) => `- ${name}`).join("\n")}

${row(HEADINGS)}
${row(HEADINGS.map(() => "---"))}
${LIMIT_SETTINGS.map(limitRow).join("\n")}

With \`--http2 node\`, the limits marked HTTP/2 do not apply. On HTTP/2, headersMs, headerListBytes, idleMs, keepaliveMs and
readBytesPerSecond do not apply either.
`;
}

function limitRow({ name, flag, takes, default: value, defaultNote = "", help }: LimitSetting): string {
  const { unit, over, reason, min }: Limit = LIMITS[name];
  const amount = takes === "NUMBER" && value !== "off" ? `${Number(value).toLocaleString("en")} ${unit}` : value;
  const atLeast = min === undefined ? "" : `; at least ${min.toLocaleString("en")} ${unit}`;
  return row([
    `${name}<br>\`--${flag}\``,
    [amount, defaultNote].filter(Boolean).join(", "),
    help + atLeast,
    over,
    reason,
  ]);
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, "limits.md"), limitsDocument());
