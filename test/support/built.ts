/**
 * Makes tests use the built package in place of its sources, after `npm run package`. Loaded by
 * `NODE_OPTIONS="--import $PWD/test/support/built.ts"`, which reaches each test file and each program that a test starts.
 */
import * as module from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { isMainThread } from "node:worker_threads";

const ROOT = join(import.meta.dirname, "../..");
/** Matches the sources of the package, from ROOT. */
const SOURCE = /^\/((?:src\/(?:package|server|program|cli)|gen\/(?:health|grpc))\/.*)\.ts$/;

/** Resolves modules for Node before 22.15, which loads this file once more, in a thread of its own. */
export async function resolve(
  specifier: string,
  context: module.ResolveHookContext,
  nextResolve: Parameters<module.ResolveHook>[2],
): Promise<module.ResolveFnOutput> {
  return builtOf(await nextResolve(specifier, context));
}

/** Returns the built module in place of a source of the package. Returns other modules unchanged. */
function builtOf(resolved: module.ResolveFnOutput): module.ResolveFnOutput {
  if (!resolved.url.startsWith("file:")) return resolved;
  const path = fileURLToPath(resolved.url);
  const [, name] = (path.startsWith(ROOT) && SOURCE.exec(path.slice(ROOT.length))) || [];
  if (name === undefined) return resolved;
  return { ...resolved, url: pathToFileURL(join(ROOT, "dist/esm", `${name}.js`)).href, format: "module" };
}

if (module.registerHooks !== undefined) {
  module.registerHooks({ resolve: (specifier, context, next) => builtOf(next(specifier, context)) });
} else if (isMainThread) module.register(import.meta.url);
