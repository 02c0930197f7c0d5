/** Writes the figures of the README: tables between two comments, from the results of a whole run. */
import { findAdd, headlineHeads, headsOf, protocolOf, serverOf } from "./labels.ts";
import type { CellResult, Results } from "./results.ts";

const BEGIN = "<!-- figures of the newest run; bench/summary.ts writes them -->\n";
const END = "<!-- end of the figures -->\n";

const GRPC = "gRPC proto over HTTP/2";
const JSON_1 = "Connect json over HTTP/1.1";
const JSON_2 = "Connect json over HTTP/2";

/** The rows of this server. */
const OWN = [
  [JSON_1, "64 x 1"],
  [GRPC, "64 x 1"],
  [GRPC, "4 x 16"],
  [JSON_2, "4 x 16"],
] as const;
/** The rows of several servers, with 64 calls at once. */
const SERVERS: readonly (readonly [server: string, wire: string])[] = [
  ["this server", GRPC],
  ["nghttpd", GRPC],
  ["grpc-go", GRPC],
  ["tonic", GRPC],
  ["grpc-js", GRPC],
  ["grpcio", GRPC],
  ["connect-node", GRPC],
  ["this server", JSON_1],
  ["node:http", JSON_1],
  ["fastify", JSON_1],
];
/** The servers and methods of the table of large messages and streams. */
const STREAM_SERVERS = ["this server", "grpc-go", "tonic", "grpc-js", "connect-node"];
const STREAMS = [
  ["Echo", 10_240],
  ["Echo", 102_400],
  ["Download", 100],
  ["Download", 10_240],
  ["Upload", 100],
  ["Chat", 100],
] as const;
/** Explanations of servers that are not libraries for services. */
const NOTES: Partial<Record<string, string>> = {
  nghttpd: " (C), a fixed response from a file",
  grpcio: ", as the tutorial's Python server",
  fastify: ", a plain route",
  "node:http": ", a plain handler",
};

/** Returns the document with new figures; undefined if it has no place for them. */
export function replaceFigures(document: string, results: Results): string | undefined {
  const [before, rest] = document.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) return undefined;
  return before + BEGIN + figures(results) + END + after;
}

/** Returns the figures of the README in Markdown. */
function figures(results: Results): string {
  const { date, machine } = results;
  const streams = streamTable(results);
  return [
    `The figures are from the [newest run](bench/results) of \`npm run bench\`, on ${date.slice(0, 10)}, with the server on one core of ${machine.cpu} and Node ${machine.node}.`,
    ownTable(results),
    serverTable(results),
    ...(streams === ""
      ? []
      : ["The CPU time of a stream is that of a message; 10,240 B and 102,400 B are 10 KB and 100 KB.", streams]),
  ]
    .map((part) => `\n${part}\n`)
    .join("")
    .concat("\n");
}

function ownTable({ cells }: Results): string {
  const heads = headlineHeads(cells);
  const own = OWN.map(([wire, shape]) => findAdd(cells, "this server", wire, shape, heads));
  if (heads === "trace") own.push(findAdd(cells, "this server", GRPC, "4 x 16", "equal"));
  const head = ["this server", "heads", "shape", "CPU, us", "request bytes", "response bytes", "p50 ms", "p99 ms"];
  const rows = own.flatMap((cell) => {
    if (cell?.bytes === undefined || cell.latencyMilliseconds === undefined) return [];
    const { p50, p99 } = cell.latencyMilliseconds;
    const { request, answer } = cell.bytes;
    return [
      [
        ...[protocolOf(cell), headsOf(cell), cell.shape, cpu(cell)],
        ...[request.toFixed(0), answer.toFixed(0), p50.toFixed(3), p99.toFixed(3)],
      ],
    ];
  });
  return table([head, ...rows]);
}

function serverTable({ cells, versions }: Results): string {
  const heads = headlineHeads(cells);
  const rows = SERVERS.flatMap(([server, wire]) => {
    const cell = findAdd(cells, server, wire, wire === JSON_1 ? "64 x 1" : "4 x 16", heads);
    if (cell === undefined) return [];
    const name = serverOf(server, versions) + (NOTES[server] ?? "");
    return [[name, protocolOf(cell), headsOf(cell), cell.shape, cpu(cell)]];
  });
  return table([["server", "protocol", "heads", "shape", "CPU, us"], ...rows]);
}

/** Returns the table of large messages and streams over gRPC; "" if the run has none. */
function streamTable({ cells, versions }: Results): string {
  const rows = STREAMS.flatMap(([method, size]) => {
    const found = STREAM_SERVERS.map((server) =>
      cells.find(
        (cell) =>
          cell.server === server &&
          cell.wire === GRPC &&
          cell.method === method &&
          cell.size === size &&
          cell.client === "raw",
      ),
    );
    const [own] = found;
    if (own === undefined) return [];
    const count = own.messages === 1 ? "" : `, ${own.messages} messages a call`;
    return [[`${method}, ${size} B${count}`, own.shape, ...found.map((cell) => (cell ? cpu(cell) : "-"))]];
  });
  if (rows.length === 0) return "";
  return table([["method", "shape", ...STREAM_SERVERS.map((server) => serverOf(server, versions))], ...rows]);
}

function cpu({ cpuMicroseconds }: CellResult): string {
  const { median } = cpuMicroseconds;
  return median >= 1000 ? median.toFixed(0) : median.toPrecision(3);
}

/** Returns a table in Markdown, whose columns are aligned. The first row is the head. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const [head = [], ...body] = rows;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n");
}
