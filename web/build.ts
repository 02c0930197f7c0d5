/** Builds the page into a folder that the server reads: bundled, compressed, each file but index.html named by its contents. */
import { hash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";
import type { CellResult, Results } from "../bench/results.ts";
import { PAGE_FILES } from "../src/server/page.ts";
import type { Bar, Benchmark, Figures } from "./benchmark.ts";

const WEB = import.meta.dirname;
const RESULTS = join(WEB, "../bench/results");

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

/** Builds the page, which the folder then has nothing beside. Who reads it meanwhile finds each file whole. */
export async function buildPage(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const stale = new Set(readdirSync(folder));

  function writeOne(name: string, contents: Uint8Array): void {
    const path = join(folder, name);
    writeFileSync(`${path}.new`, contents);
    renameSync(`${path}.new`, path);
    stale.delete(name);
  }
  function write(name: string, contents: Uint8Array): void {
    writeOne(`${name}.br`, brotliCompressSync(contents));
    writeOne(`${name}.gz`, gzipSync(contents, { level: 9 }));
    writeOne(name, contents);
  }
  /** Gives the path at which the server has it. */
  function writeNamed(file: string, contents: Uint8Array): string {
    const extension = extname(file);
    const name = `${file.slice(0, -extension.length)}-${hash("sha256", contents, "hex").slice(0, 10)}${extension}`;
    write(name, contents);
    return `${PAGE_FILES}${name}`;
  }

  const { results, picture } = newestResults();
  const benchmark = summarize(results, writeNamed("chart.svg", picture));
  const { outputFiles } = await build({
    entryPoints: ["view/page.tsx", "page.css"].map((name) => join(WEB, name)),
    outdir: folder,
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2023",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    define: { BENCHMARK: JSON.stringify(benchmark) },
  });
  const paths = new Map([["icon.svg", writeNamed("icon.svg", readFileSync(join(WEB, "icon.svg")))]]);
  for (const { path, contents } of outputFiles) {
    const name = `page${extname(path)}`;
    paths.set(name, writeNamed(name, contents));
  }
  const html = readFileSync(join(WEB, "index.html"), "utf8");
  write(
    "index.html",
    Buffer.from(html.replaceAll(/(?<=")(?:page|icon)\.\w+(?=")/g, (name) => paths.get(name) ?? name)),
  );
  for (const name of stale) rmSync(join(folder, name));
}

function newestResults(): { results: Results; picture: Buffer } {
  const name = readdirSync(RESULTS)
    .filter((file) => file.endsWith(".json"))
    .sort()
    .at(-1);
  if (name === undefined) throw new Error(`build the page: there are no results of the benchmark in ${RESULTS}`);
  const path = join(RESULTS, name);
  return {
    results: JSON.parse(readFileSync(path, "utf8")),
    picture: readFileSync(path.replace(/json$/, "svg")),
  };
}

function summarize({ date, machine, cells }: Results, chart: string): Benchmark {
  const find = (server: string, wire: string, shape: string): CellResult => {
    const found = cells.find((cell) => cell.name === `${server}: ${wire}, ${shape}`);
    if (found === undefined) throw new Error(`build the page: the results have no ${server}: ${wire}, ${shape}`);
    return found;
  };
  const figures = ({ cpuMicroseconds, bytes }: CellResult): Figures => {
    const callsPerSecond = 1_000_000 / cpuMicroseconds.median;
    return { callsPerSecond, requestBytes: Math.round(bytes.request), answerBytes: Math.round(bytes.answer) };
  };
  const bars = BARS.map(([server, wire]): Bar => {
    const { cpuMicroseconds } = find(server, wire, wire.endsWith("HTTP/2") ? "4 x 16" : "64 x 1");
    return { server, wire, isOwn: server === "this server", cpuMicroseconds: cpuMicroseconds.median };
  });
  return {
    date: date.slice(0, 10),
    cpu: machine.cpu,
    os: machine.os.replace(/, .*/, ""),
    node: machine.node,
    grpc: figures(find("this server", GRPC, "64 x 1")),
    json: figures(find("this server", JSON_1, "64 x 1")),
    bars: bars.toSorted((a, b) => a.cpuMicroseconds - b.cpuMicroseconds),
    chart,
  };
}

if (import.meta.main) await buildPage(join(WEB, "dist"));
