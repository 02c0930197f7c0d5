/** Writes limits.md: the table of src/server/limits.ts, for people. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { LIMIT_SETTINGS } from "../src/config.ts";
import { LIMITS } from "../src/server/limits.ts";

const HEADINGS = ["option of `limits`, and flag", "default", "what it bounds", "over it", "why so"];

/** The whole document. */
export function limitsDocument(): string {
  return `# Limits

What a peer may cost, and all of them together. \`npm run generate\` writes this file from
[src/server/limits.ts](../src/server/limits.ts), which the server and \`npm start -- --help\` read as well.

Each is an option of \`createServer({ routes, limits: { messageBytes: 1_000_000 } })\`, where \`Infinity\` turns it off (and 0 a
rate that is asked of the peer), a flag, \`--message-bytes 1000000\`, and a variable, \`MESSAGE_BYTES=1000000\`, where \`off\` does.
Over a limit the log has one line for each kind and second at most.

${row(HEADINGS)}
${row(HEADINGS.map(() => "---"))}
${LIMIT_SETTINGS.map(limitRow).join("\n")}

With \`--http2 node\` those of HTTP/2 do not hold, nor, on HTTP/2, do headersMs, headerListBytes, idleMs, keepaliveMs and readBytesPerSecond.
`;
}

function limitRow({ name, flag, default: value }: (typeof LIMIT_SETTINGS)[number]): string {
  const { unit, on, bounds, over, reason } = LIMITS[name];
  const amount = `${Number(value).toLocaleString("en")} ${unit}`;
  return row([`${name}<br>\`--${flag}\``, amount, on === "all" ? bounds : `${on}: ${bounds}`, over, reason]);
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, "limits.md"), limitsDocument());
