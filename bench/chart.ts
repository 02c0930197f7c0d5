/** The chart of one run: each server's CPU time per call as a bar, in SVG that is read on light and dark. */
import type { CellResult, Results } from "./results.ts";

const WIDTH = 840;
const LABEL = 400;
const ROW = 22;
const TOP = 64;
const SPAN = WIDTH - LABEL - 80;

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .note { font-size: 12px; fill: #59636e }
  .peer { fill: #8c959f }
  .own { fill: #0969da }
  .interval { stroke: #1f2328 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .note { fill: #9198a1 }
    .peer { fill: #656c76 }
    .own { fill: #4493f8 }
    .interval { stroke: #f0f6fc }
  }`;

/** Of the cells at the usual shape and load, the cheapest first, on a logarithmic scale. */
export function chart({ cells, date, machine }: Pick<Results, "cells" | "date" | "machine">): string {
  const rows = cells
    .filter(
      ({ shape, client, wire }) => client === "h2load" && shape === (wire.endsWith("HTTP/2") ? "4 x 16" : "64 x 1"),
    )
    .sort((a, b) => a.cpuMicroseconds.median - b.cpuMicroseconds.median);
  const height = TOP + rows.length * ROW + 16;
  const [least, most] = [Math.min, Math.max].map((pick) =>
    pick(...rows.map(({ cpuMicroseconds: { median } }) => median)),
  );
  const start = 10 ** Math.floor(Math.log10(least ?? 1) - 0.01);
  const scale = (us: number) => Math.max(0, (SPAN * Math.log(us / start)) / Math.log((most ?? 1) / start));
  const title = "Server CPU per call, microseconds (less is better)";
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>${title}</title>
<style>${STYLE}
</style>
<text class="title" x="16" y="26">${title}</text>
<text class="note" x="16" y="46">${escapeText(`64 calls in flight, medians, logarithmic; ${machine.cpu}, ${date.slice(0, 10)}`)}</text>
${rows.map((row, i) => bar(row, TOP + i * ROW, scale)).join("\n")}
</svg>
`;
}

function bar(
  { server, wire, deadline, cpuMicroseconds }: CellResult,
  y: number,
  scale: (us: number) => number,
): string {
  const { median, low, high } = cpuMicroseconds;
  const label = escapeText(`${server}: ${wire}${deadline ? ", deadline" : ""}`);
  const style = server.startsWith("this server") ? "own" : "peer";
  const [end, from, to] = [median, low, high].map((us) => (LABEL + scale(us)).toFixed(1));
  const middle = y + ROW / 2;
  const value = median < 10 ? median.toFixed(1) : median.toFixed(0);
  return `<text x="${LABEL - 8}" y="${middle + 4}" text-anchor="end">${label}</text>
<rect class="${style}" x="${LABEL}" y="${y + 3}" width="${scale(median).toFixed(1)}" height="${ROW - 6}"/>
<path class="interval" d="M${from} ${middle}H${to}"/>
<text x="${Math.max(Number(end), Number(to)) + 6}" y="${middle + 4}">${value}</text>`;
}

function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
