/** The options of `run`: those of createServer that are not settings of the command line. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "../../src/program/run.ts";
import { callRoutes } from "../support/call-service.ts";
import { SERVER } from "../support/certificates.ts";
import { run as runProgram } from "../support/command.ts";

for (const [what, options, message] of [
  ["no options", undefined, /^run: the options must be an object, not undefined$/],
  ["no routes", {}, /^run: routes is missing; it registers the services$/],
  ["an unknown option", { fallbck: () => {} }, /^run: unknown option 'fallbck'; the options are routes, /],
  ["a wrong option", { requestPathPrefix: "api" }, /^run: requestPathPrefix 'api' must be a path/],
  ["health turned off", { health: false }, /^run: health false must be a HealthStatus; --health off turns health off$/],
  ["a version that is a number", { version: 1 }, /^run: version 1 must be a string$/],
  ["TLS, which would be plain", { tls: SERVER }, /^run: tls is not an option; set it by --tls-cert, --tls-key and/],
  ["a port", { port: 8080 }, /^run: port is not an option; set it by --port$/],
  ["a time of the shutdown", { graceMs: 1 }, /^run: graceMs is not an option; set it by --grace-ms$/],
  ["origins", { corsOrigins: ["*"] }, /^run: corsOrigins is not an option; set it by --cors-origins$/],
  ["limits", { limits: { messageBytes: 1 } }, /^run: limits is not an option; set it by a flag for each limit$/],
] as const) {
  test(`run refuses ${what} before it does anything`, async () => {
    const given = what === "no options" || what === "no routes" ? options : { routes: callRoutes, ...options };
    await assert.rejects(run(given as never), { name: "TypeError", message });
  });
}

test("run takes every option of the routes and the server that is not a setting", async () => {
  const program = `
    import { run } from ${JSON.stringify(import.meta.resolve("../../src/program/run.ts"))};
    const options = { fallback() {}, interceptors: [], requestPathPrefix: "/api", jsonOptions: {} };
    await run({ routes() {}, ...options, version: "some program" });`;
  const { code, stdout, stderr } = await runProgram("node", [
    "--input-type=module",
    "-e",
    program,
    "--",
    "main.js",
    "--version",
  ]);
  assert.deepEqual([code, stdout, stderr], [0, "some program\n", ""]);
});
