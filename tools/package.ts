/**
 * `npm run package`: builds the npm package @connect-sum/server in `dist/`, as ES modules and as CommonJS. Both are made from
 * one copy of the sources, which comes with the package, so that source maps have files to point to.
 */
import { spawnSync } from "node:child_process";
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Limit } from "../src/server/limits/definition.ts";
import { LIMIT_NAMES, LIMITS, type LimitName } from "../src/server/limits/limits.ts";
import { limitRange } from "../src/server/limits/validation.ts";

const ROOT = join(import.meta.dirname, "..");
const DIST = join(ROOT, "dist");
/** The folder of the entry files, with the manifest beside them, because the repository has no folder for packages. */
const PACKAGE = join(ROOT, "src/package");
const SOURCES = ["src/package", "src/server", "src/program", "src/telemetry", "src/cli", "gen/health", "gen/grpc"];

/** The newest JavaScript that Node 22.12 runs. These two libraries of ES2025 are in it, and the others are not. */
export const LANGUAGE = { target: "es2024", lib: ["es2024", "es2025.iterator", "es2025.collection"] };
const COMPILER_OPTIONS = {
  ...LANGUAGE,
  rootDir: DIST,
  noEmit: false,
  noEmitOnError: true,
  rewriteRelativeImportExtensions: true,
};

/** Options of the server that only this repository uses are marked as internal. */
const DECLARATIONS = { declaration: true, declarationMap: true, emitDeclarationOnly: true, stripInternal: true };

/** Builds the package into DIST, whose old contents are removed. Throws Error if the sources have an error. */
export function buildPackage(): void {
  rmSync(DIST, { recursive: true, force: true });
  copySources();
  // Comments are in the sources and the declarations. In both forms of JavaScript, they would add half of its size again.
  const scripts = { sourceMap: true, removeComments: true };
  compile("commonjs", { ...scripts, outDir: join(DIST, "cjs"), verbatimModuleSyntax: false });
  compile("module", { ...scripts, outDir: join(DIST, "esm") });
  compile("module", { ...DECLARATIONS, outDir: join(DIST, "esm") });
  finishDeclarations();
  writeJson("cjs/package.json", { type: "commonjs" });
  for (const name of ["package.json", "README.md", "CHANGELOG.md"]) cpSync(join(PACKAGE, name), join(DIST, name));
  for (const name of ["LICENSE", "docs/limits.md"]) cpSync(join(ROOT, name), join(DIST, name));
}

function copySources(): void {
  for (const path of SOURCES.flatMap((folder) => globSync(`${folder}/**/*.ts`, { cwd: ROOT }))) {
    cpSync(join(ROOT, path), join(DIST, path));
  }
}

/** Compiles the copy of the sources. `type` is that of its package.json, which decides the form of its modules. */
function compile(type: "commonjs" | "module", options: object): void {
  writeJson("package.json", { type });
  const project = { extends: "../tsconfig.json", compilerOptions: { ...COMPILER_OPTIONS, ...options } };
  writeJson("tsconfig.json", { ...project, include: ["src", "gen"], exclude: [] });
  const { status, stdout, stderr } = spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["--project", "dist"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`compile the package as ${type}: ${stdout}${stderr}`);
  rmSync(join(DIST, "tsconfig.json"));
}

/** Keeps the declarations that the entry files need, finishes them, and copies them to the CommonJS form. */
function finishDeclarations(): void {
  const needed = new Set(globSync("esm/src/package/*.d.ts", { cwd: DIST }));
  for (const path of needed) {
    const text = finishedDeclaration(readFileSync(join(DIST, path), "utf8"));
    for (const [, name] of text.matchAll(/\b(?:from |import\()"(\.[^"]*)\.js"/g)) {
      needed.add(join(dirname(path), `${name}.d.ts`));
    }
    writeFileSync(join(DIST, path), path === LIMITS_DECLARATION ? withLimits(text) : text);
    for (const each of [path, `${path}.map`]) cpSync(join(DIST, each), join(DIST, each.replace(/^esm/, "cjs")));
  }
  for (const path of globSync("esm/**/*.d.ts", { cwd: DIST })) {
    if (needed.has(path)) continue;
    rmSync(join(DIST, path));
    rmSync(join(DIST, `${path}.map`));
  }
}

/**
 * Gives the imports of a declaration the extension of JavaScript, which the compiler does not do. Removes the marks of private
 * fields: with them, a class of the ES modules and the same class of CommonJS would have types that exclude each other.
 */
function finishedDeclaration(text: string): string {
  return text
    .replace(/(\b(?:from |import\()"\.[^"]*)\.ts"/g, (_, specifier: string) => `${specifier}.js"`)
    .replace(/^ *#private;\n/gm, "");
}

const LIMITS_DECLARATION = "esm/src/server/limits/limits.d.ts";

/**
 * Replaces the type of the table of limits, which has all of its texts, by one without texts. Gives each limit a comment, which
 * editors show.
 */
function withLimits(text: string): string {
  const limits = `/** The values of all limits, each in its unit. */\nexport interface Limits {\n${LIMIT_NAMES.map(limitDeclaration).join("")}}`;
  const table = 'export declare const LIMITS: { readonly [K in keyof Limits]: import("./definition.js").Limit };';
  const parts = [/^export declare const LIMITS: \{[\s\S]*?^\};$/m, /^export type Limits = \{[\s\S]*?^\};$/m];
  if (!parts.every((part) => part.test(text))) throw new Error("declare the limits: the compiler wrote them otherwise");
  return [table, limits].reduce((result, part, i) => result.replace(parts[i] as RegExp, () => part), text);
}

function limitDeclaration(name: LimitName): string {
  const { bounds, over, unit, default: value, memoryShare, on }: Limit = LIMITS[name];
  const { off, min } = limitRange(name);
  const lowered = memoryShare === undefined ? "" : ", less in a process with little memory";
  const lines = [
    `Limit on ${bounds}${on === "all" ? "" : `, on ${on} only`}.`,
    `Above it: ${over}.`,
    `Unit: ${unit}. Default: ${value.toLocaleString("en")}${lowered}. Minimum: ${min.toLocaleString("en")}. ${off} turns the limit off.`,
  ];
  return `    /**\n${lines.map((line) => `     * ${line}\n`).join("")}     */\n    readonly ${name}: number;\n`;
}

function writeJson(path: string, value: unknown): void {
  mkdirSync(dirname(join(DIST, path)), { recursive: true });
  writeFileSync(join(DIST, path), `${JSON.stringify(value)}\n`);
}

if (import.meta.main) buildPackage();
