/**
 * Makes tests use the built package in place of its sources, after `npm run package`. Loaded by
 * `NODE_OPTIONS="--import $PWD/test/support/built.ts"`, which reaches each test file and each program that a test starts.
 */
import { registerHooks } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = join(import.meta.dirname, "../..");
/** Matches the sources of the package, from ROOT. */
const SOURCE = /^\/((?:src\/(?:package|server|program|cli)|gen\/(?:health|grpc))\/.*)\.ts$/;

registerHooks({
  resolve(specifier, context, nextResolve) {
    const resolved = nextResolve(specifier, context);
    if (!resolved.url.startsWith("file:")) return resolved;
    const path = fileURLToPath(resolved.url);
    const [, name] = (path.startsWith(ROOT) && SOURCE.exec(path.slice(ROOT.length))) || [];
    if (name === undefined) return resolved;
    return { ...resolved, url: pathToFileURL(join(ROOT, "dist/esm", `${name}.js`)).href, format: "module" };
  },
});
