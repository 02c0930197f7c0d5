/** Writes limits.md: the table of src/server/limits/limits.ts, for people. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { LIMIT_SETTINGS, type LimitSetting } from "../src/cli/limit-settings.ts";
import type { Limit } from "../src/server/limits/limit.ts";
import { LIMITS } from "../src/server/limits/limits.ts";

const HEADINGS = ["option of `limits`, and flag", "default", "what it bounds", "over it", "why so"];

/** The whole document. */
export function limitsDocument(): string {
  return `# Limits

What a peer may cost, and all of them together. \`npm run generate\` writes this file from
[src/server/limits/limits.ts](../src/server/limits/limits.ts), which the server and \`npm start -- --help\` read as well.

Each limit is an option, \`createServer({ routes, limits: { messageBytes: 1_048_576 } })\`, a flag, \`--message-bytes 1MiB\`, and a
variable, \`MESSAGE_BYTES=1MiB\`. An option is a number of bytes, ms or the unit below; \`Infinity\` turns it off, or 0 if it is a
rate in bytes per second. A flag or variable is such a number, or one with a unit (ms, s, m, h; KiB, MiB, GiB), or \`off\`. A value that
a limit cannot take is refused: \`npm start\` exits with 2, and \`createServer\` throws a RangeError or TypeError.
Over a limit the log has one line for each kind and second at most.

${row(HEADINGS)}
${row(HEADINGS.map(() => "---"))}
${LIMIT_SETTINGS.map(limitRow).join("\n")}

With \`--http2 node\` those of HTTP/2 do not hold, nor, on HTTP/2, do headersMs, headerListBytes, idleMs, keepaliveMs and readBytesPerSecond.
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
