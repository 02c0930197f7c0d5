/** Draws the chart of one run in SVG. The CPU time per call of each server is a dot on a logarithmic axis. */
import { headsOf, powersOf10, protocolOf, serverOf } from "./labels.ts";
import type { CellResult, Results } from "./results.ts";

const WIDTH = 960;
const LABEL = 560;
const ROW = 22;
const TOP = 88;
const SPAN = WIDTH - LABEL - 80;

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .note { font-size: 12px; fill: #59636e }
  .peer { fill: #8c959f }
  .own { fill: #0969da }
  .interval { stroke: #1f2328 }
  .tick { stroke: #d1d9e0 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .note { fill: #9198a1 }
    .peer { fill: #656c76 }
    .own { fill: #4493f8 }
    .interval { stroke: #f0f6fc }
    .tick { stroke: #3d444d }
  }`;

type Charted = Pick<Results, "cells" | "date" | "machine" | "versions">;

/** Returns the chart of the calls of Add with 64 calls at once, in ascending order of CPU time. */
export function chart({ cells, date, machine, versions }: Charted): string {
  const rows = cells
    .filter(({ shape, method, wire }) => method === "Add" && shape === (wire.endsWith("HTTP/2") ? "4 x 16" : "64 x 1"))
    // A short run may measure no CPU time, which has no place on a logarithmic axis.
    .filter(({ cpuMicroseconds }) => cpuMicroseconds.median > 0)
    .sort((a, b) => a.cpuMicroseconds.median - b.cpuMicroseconds.median);
  const height = TOP + rows.length * ROW + 16;
  const [least, most] = [Math.min, Math.max].map((pick) =>
    pick(...rows.map(({ cpuMicroseconds: { median } }) => median)),
  );
  const ticks = rows.length === 0 ? [] : powersOf10(least as number, most as number);
  const [start = 1, end = 10] = [ticks[0], ticks.at(-1)];
  const scale = (us: number) => LABEL + (SPAN * Math.log(us / start)) / Math.log(end / start);
  const title = "Server CPU per call, microseconds (less is better)";
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>${title}</title>
<style>${STYLE}
</style>
<text class="title" x="16" y="26">${title}</text>
<text class="note" x="16" y="46">${escapeText(`Medians, logarithmic axis; Add, messages of 2 to 13 bytes, connections x calls at once; ${machine.cpu}, ${date.slice(0, 10)}`)}</text>
${ticks.map((us) => tick(us, scale(us), height)).join("\n")}
${rows.map((row, i) => dot(row, serverOf(row.server, versions), TOP + i * ROW, scale)).join("\n")}
</svg>
`;
}

function tick(us: number, x: number, height: number): string {
  return `<path class="tick" d="M${x.toFixed(1)} ${TOP - 8}V${height - 12}"/>
<text class="note" x="${x.toFixed(1)}" y="${TOP - 14}" text-anchor="middle">${us}</text>`;
}

function dot(row: CellResult, name: string, y: number, scale: (us: number) => number): string {
  const { median, low, high } = row.cpuMicroseconds;
  const label = escapeText(`${name}: ${protocolOf(row)}, ${headsOf(row)}, ${row.shape}`);
  const style = row.server.startsWith("this server") ? "own" : "peer";
  const [at, from, to] = [median, low, high].map((us) => scale(us).toFixed(1));
  const middle = y + ROW / 2;
  const value = median < 10 ? median.toFixed(1) : median.toFixed(0);
  return `<text x="${LABEL - 8}" y="${middle + 4}" text-anchor="end">${label}</text>
<path class="interval" d="M${from} ${middle}H${to}"/>
<circle class="${style}" cx="${at}" cy="${middle}" r="5"/>
<text x="${Math.max(Number(at), Number(to)) + 10}" y="${middle + 4}">${value}</text>`;
}

function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
