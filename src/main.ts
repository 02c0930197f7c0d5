/** The process: serves the routes with the page, by settings from the command line and the environment. */
import { join } from "node:path";
import { run } from "./program/run.ts";
import { routes } from "./routes.ts";

await run({ routes, pageFolder: join(import.meta.dirname, "../web/dist") });
