/**
 * Builds the page: bundles and compresses its files, and adds a hash of the contents to each name except index.html.
 */
import { hash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { extname, join, sep } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";
import { PAGE_FILES } from "../src/server/site/page.ts";
import type { Benchmark } from "./benchmark.ts";

const WEB = import.meta.dirname;
/** The results of the benchmark. A repository may be without them. */
const RESULTS = join(WEB, "../bench/results");
const GENERATED = join(WEB, "../gen");
/** Matches the paths of the generated code of health and reflection, which the page does not show. */
const NOT_SHOWN = /^(?:grpc|health\/v1)\//;

/**
 * Builds the page into the folder, and removes all other files there. A server that reads files meanwhile gets complete
 * ones. `results` is the folder of page.json; without that file, the page has no figures of the benchmark.
 * `generated` is the folder of the generated code, with the comments of the contracts.
 */
export async function buildPage(folder: string, results = RESULTS, generated = GENERATED): Promise<void> {
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
  /** Writes the file with a hash in its name. Returns the path from which the server serves the file. */
  function writeNamed(file: string, contents: Uint8Array): string {
    const extension = extname(file);
    const name = `${file.slice(0, -extension.length)}-${hash("sha256", contents, "hex").slice(0, 10)}${extension}`;
    write(name, contents);
    return `${PAGE_FILES}${name}`;
  }

  /** Writes the chart of the benchmark. Returns the figures with the path of the chart; undefined without results. */
  function writeBenchmark(): Benchmark | undefined {
    const path = join(results, "page.json");
    if (!existsSync(path)) return undefined;
    const figures: Benchmark = JSON.parse(readFileSync(path, "utf8"));
    return { ...figures, chart: writeNamed("chart.svg", readFileSync(join(results, figures.chart))) };
  }

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
    define: {
      BENCHMARK: JSON.stringify(writeBenchmark()) ?? "undefined",
      COMMENTS: JSON.stringify(readComments(generated)),
    },
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

/** Returns the comments of all files in the folder of generated code, by the full names of what they describe. */
function readComments(folder: string): Record<string, string> {
  return Object.assign(
    {},
    ...globSync("**/*_comments.json", { cwd: folder })
      .filter((path) => !NOT_SHOWN.test(path.replaceAll(sep, "/")))
      .sort()
      .map((path) => JSON.parse(readFileSync(join(folder, path), "utf8"))),
  );
}

if (import.meta.main) await buildPage(join(WEB, "dist"));
