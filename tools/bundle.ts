/**
 * `npm run bundle`: builds the program as one file, `build/server.mjs`, which needs Node and no packages. The page is in
 * `build/web/dist`, and the program serves the page that it finds there, beside its file.
 */
import { readFileSync, rmSync } from "node:fs";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";
import { buildPage } from "../web/build.ts";

const ROOT = join(import.meta.dirname, "..");
/** The oldest Node that runs the file. */
const TARGET = "node22.12";

/** Starts the probe or the server, each without the code of the other: a health check runs every few seconds. */
const entryOf = (main: string): string => `
const [, , command, ...args] = process.argv;
if (command === "probe") await (await import("./src/program/probe.ts")).probe(args);
else await import(${JSON.stringify(main)});
`;

/**
 * Loads a module of Node when the code that needs it runs. An import would load the modules of all packages at each start,
 * with all of their exports.
 */
const MODULES_OF_NODE: Plugin = {
  name: "modules of Node",
  setup({ onResolve, onLoad }) {
    const names = new Set(builtinModules);
    onResolve({ filter: /^[\w:/]+$/ }, ({ path }) =>
      names.has(path.replace(/^node:/, "")) ? { path, namespace: "node" } : undefined,
    );
    onLoad({ filter: /./, namespace: "node" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  },
};

/**
 * Builds the program and the page into the folder, whose old contents are removed. `main` is the main script, from the root of the
 * repository. Tests have scripts with other routes.
 */
export async function bundle(folder: string, main = "./src/main.ts"): Promise<void> {
  const { name, version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  rmSync(folder, { recursive: true, force: true });
  await build({
    stdin: { contents: entryOf(main), resolveDir: ROOT, sourcefile: "server.ts" },
    outfile: join(folder, "server.mjs"),
    bundle: true,
    platform: "node",
    format: "esm",
    target: TARGET,
    sourcemap: true,
    sourcesContent: false,
    legalComments: "none",
    logLevel: "warning",
    plugins: [MODULES_OF_NODE],
    // The folder of src/main.ts, and the line of --version, are those of the repository otherwise.
    banner: { js: 'const SOURCE_FOLDER = import.meta.dirname + "/src";' },
    define: {
      "import.meta.dirname": "SOURCE_FOLDER",
      PROGRAM_VERSION: JSON.stringify(`${name} ${version}`),
    },
  });
  await buildPage(join(folder, "web/dist"));
}

if (import.meta.main) await bundle(join(ROOT, "build"));
