/** A program that has no page, serves other routes beside its service, and starts with a health status of its own. */
import { run } from "../../src/program/run.ts";
import { HealthStatus } from "../../src/server/services/health-status.ts";
import { callRoutes } from "./call-service.ts";

const health = new HealthStatus();
health.set("", "not-serving");

await run({ routes: callRoutes, health, fallback: (_, res) => void res.end("the application") });
