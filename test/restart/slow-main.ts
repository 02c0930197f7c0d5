/** The program of the drill: src/main.ts with slow routes and without the page. */
import { run } from "../../src/program/run.ts";
import { slowRoutes } from "./slow-routes.ts";

await run({ routes: slowRoutes });
