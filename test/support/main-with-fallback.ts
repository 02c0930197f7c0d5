/** A program that has no page, and serves other routes beside its service. */
import { run } from "../../src/program/run.ts";
import { callRoutes } from "./call-service.ts";

await run({ routes: callRoutes, fallback: (_, res) => void res.end("the application") });
