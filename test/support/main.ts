/** The process of src/main.ts with the routes of the tests, for tests of a process. */
import { join } from "node:path";
import { run } from "../../src/program/run.ts";
import { callRoutes } from "./call-service.ts";

await run({ routes: callRoutes, pageFolder: join(import.meta.dirname, "../../web/dist") });
