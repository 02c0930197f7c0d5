/**
 * `node --import ./test/restart/slow.ts src/main.ts` runs src/main.ts with slow-routes.ts in place of routes.ts. So the
 * drill tests the real main, not a copy.
 */
import { registerHooks } from "node:module";

const routes = new URL("../../src/routes.ts", import.meta.url).href;
const slowRoutes = new URL("slow-routes.ts", import.meta.url).href;

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    return resolved.url === routes ? { ...resolved, url: slowRoutes } : resolved;
  },
});
