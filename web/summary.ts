/** What the page says of a run of the benchmark: a few figures of this server, and bars beside what people run. */
import type { CellResult, Results } from "../bench/results.ts";
import type { Bar, Benchmark, Figures } from "./benchmark.ts";

const GRPC = "gRPC proto over HTTP/2";
const JSON_1 = "Connect json over HTTP/1.1";
const JSON_2 = "Connect json over HTTP/2";
/** The bars, at the usual load: of this server, and of what people run. */
const BARS: readonly (readonly [server: string, wire: string])[] = [
  ["this server", GRPC],
  ["this server", JSON_2],
  ["this server", JSON_1],
  ["grpc-go", GRPC],
  ["tonic", GRPC],
  ["fastify", JSON_1],
  ["grpc-js", GRPC],
  ["connect-go", GRPC],
  ["grpcio", GRPC],
  ["connect-node", GRPC],
];

/**
 * The run's figures, with the path of its chart. A bar of which nothing was measured, since its server was absent, is
 * left out; throws where a figure of this server is missing.
 */
export function summarize({ date, machine, cells }: Results, chart: string): Benchmark {
  const bars = BARS.flatMap(([server, wire]): Bar[] => {
    const cell = cells.find(
      ({ name }) => name === `${server}: ${wire}, ${wire.endsWith("HTTP/2") ? "4 x 16" : "64 x 1"}`,
    );
    if (cell === undefined) return [];
    return [{ server, wire, isOwn: server === "this server", cpuMicroseconds: cell.cpuMicroseconds.median }];
  });
  return {
    date: date.slice(0, 10),
    cpu: machine.cpu,
    os: machine.os.replace(/, .*/, ""),
    node: machine.node,
    grpc: figures(cells, `this server: ${GRPC}, 64 x 1`),
    json: figures(cells, `this server: ${JSON_1}, 64 x 1`),
    bars: bars.toSorted((a, b) => a.cpuMicroseconds - b.cpuMicroseconds),
    chart,
  };
}

function figures(cells: readonly CellResult[], name: string): Figures {
  const cell = cells.find((each) => each.name === name);
  if (cell === undefined) throw new Error(`summarize the benchmark: the results have no "${name}"`);
  const { callsPerSecond, bytes } = cell;
  if (callsPerSecond === undefined)
    throw new Error(`summarize the benchmark: "${name}" has no calls per second, since the server's core was not busy`);
  return { callsPerSecond, requestBytes: Math.round(bytes.request), answerBytes: Math.round(bytes.answer) };
}
