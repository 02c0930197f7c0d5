/**
 * `npm run bundle`: builds the program as one file, `build/server.mjs`, which needs Node and no packages. The page is in
 * `build/web/dist`, and the program serves the page that it finds there, beside its file.
 */
import { readFileSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { builtinModules } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
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
 * Values that CommonJS has and a module lacks. A constant `__dirname` would collide with one that a module declares, so it has
 * another name. esbuild renames a `require` that a module declares.
 */
const BANNER = `const BUNDLE_FOLDER = import.meta.dirname, BUNDLE_FILE = import.meta.filename;
const require = process.getBuiltinModule("node:module").createRequire(BUNDLE_FILE);`;

/**
 * Gives each source its own `import.meta.dirname`, with the folder of server.mjs in place of the repository's, so that
 * src/main.ts finds the page. `import.meta.main` is true in the main script alone.
 */
function ownImportMeta(main: string): Plugin {
  const root = dirname(dirname(main));
  return {
    name: "import.meta of each module",
    setup({ onLoad }) {
      onLoad({ filter: /\.[cm]?ts$/ }, async ({ path }) => {
        const text = await readFile(path, "utf8");
        const folder = JSON.stringify(`/${relative(root, dirname(path))}`);
        const contents = text
          .replaceAll("import.meta.dirname", `(import.meta.dirname + ${folder})`)
          .replaceAll("import.meta.main", String(path === main));
        return { contents, loader: "ts" };
      });
    },
  };
}

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
    plugins: [MODULES_OF_NODE, ownImportMeta(resolve(ROOT, main))],
    banner: { js: BANNER },
    define: {
      "import.meta.main": "false",
      __dirname: "BUNDLE_FOLDER",
      __filename: "BUNDLE_FILE",
      PROGRAM_VERSION: JSON.stringify(`${name} ${version}`),
    },
  });
  await buildPage(join(folder, "web/dist"));
}

if (import.meta.main) await bundle(join(ROOT, "build"));
