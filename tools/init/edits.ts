/** The edits of files that stay: names of the service, and lines about files that are removed. */
import type { Names } from "./package-name.ts";

/** A file, a part of its text and the new text of that part. */
type Edit = readonly [path: string, from: RegExp, to: string];

/** The reason for which nothing was changed. */
export class Refusal extends Error {}

/**
 * Returns the new texts of the files that are edited, by their paths. Throws Refusal if a part that gets a new text is not
 * found. A part to remove may be missing.
 */
export function createEdits(names: Names, branch: string, read: (path: string) => string): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [path, from, to] of listEdits(names, branch)) {
    const text = texts[path] ?? read(path);
    texts[path] = text.replace(from, to);
    if (texts[path] === text && to !== "") throw new Refusal(`edit ${path}: nothing in it matches ${from}`);
  }
  return texts;
}

function listEdits({ file, service }: Names, branch: string): readonly Edit[] {
  return [
    ["buf.yaml", /^ {2}except:\n(?: {4}- .*\n)+/gm, ""],
    ["package.json", /"connect-sum"/, `"${file}"`],
    ["package.json", /(?<="description": ").*(?=")/, `${service} over gRPC, gRPC-Web and Connect on one port`],
    ["package.json", /(?<="breaking": ").*(?=")/, `buf breaking --against '.git#branch=${branch}'`],
    ["package.json", /^ {4}"(?:client|init)": .*\n/gm, ""],
    ["package-lock.json", /"connect-sum"/g, `"${file}"`],
    [
      "ARCHITECTURE.md",
      /main\.ts, routes\.ts .*/,
      `main.ts, routes.ts  the process runs the routes, which serve the functions of ${file}.ts`,
    ],
    ["ARCHITECTURE.md", /^ {2}client\/ .*\n/m, ""],
    ["ARCHITECTURE.md", /`npm run init`, /, ""],
    [
      "ARCHITECTURE.md",
      /^bench\/, examples\/ .*/m,
      "bench/                the benchmark, which can be deleted. deploy/ is for operators",
    ],
    ["CONTRIBUTING.md", /^.*(?:own-service|applications\/|docs\/screenshot).*\n/gm, ""],
    ["CONTRIBUTING.md", /(?<=compares the contract with )the tutorial's(?= )/, `the one on ${branch}`],
    ["biome.json", /^.*unsafeParameterDecoratorsEnabled.*\n/m, ""],
    [".ci/run", /^.*(?:own[-_]service|applications\/).*\n/gm, ""],
  ];
}
