/**
 * `node --import ./test/restart/slow.ts src/main.ts` is the process of src/main.ts, to the letter, with calls that may be
 * slow: where it imports routes.ts it gets slow-routes.ts. A main of the drill's own would be a copy, and not what is drilled.
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
