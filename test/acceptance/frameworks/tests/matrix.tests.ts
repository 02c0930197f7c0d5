/** Calls in each framework: every protocol and codec, compared with the adapter of Connect in the same framework. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { callRoutes } from "../../../support/call-service.ts";
import { CELLS } from "../../../support/cells.ts";
import { send } from "../../../support/http.ts";
import { lasting } from "../../../support/lasting.ts";
import { Random } from "../../../support/random.ts";
import { randomRequest } from "../../../support/random-call.ts";
import { runCases } from "../../../support/run-cases.ts";
import { scriptedRoutes } from "../../../support/scripted.ts";
import { asStock } from "../../../support/stock.ts";
import { APPS } from "./apps.ts";

const SEED = 20_261_202;
const CALLS = 16;

for (const app of APPS) {
  for (const cell of CELLS.filter(({ http }) => http === app.http)) {
    test(`the cases in ${app.name}, in ${cell.name}`, async (t) => {
      const authority = await app.start(t, "this server", callRoutes, { log() {} });
      await runCases(t, cell, authority, (each) =>
        // Fastify refuses a content type that has no parser, and Connect's plugin adds none for these.
        app.name.startsWith("Fastify") && /content type|codec that/.test(each.name) ? null : each.expect(cell),
      );
    });

    test(`random calls get equal responses from the adapter of Connect in ${app.name}, in ${cell.name}`, async (t) => {
      for (const fastPath of [true, false]) {
        const authority = await app.start(t, "this server", scriptedRoutes, { fastPath });
        const stock = await app.start(t, "Connect", scriptedRoutes);
        const random = new Random(SEED);
        for (let i = 0; i < CALLS; i++) {
          const request = randomRequest(random, cell);
          const response = lasting(await send(cell.http, authority, request));
          const expected = lasting(await send(cell.http, stock, request));
          assert.deepEqual(asStock(cell, response), asStock(cell, expected), `call ${i}`);
        }
      }
    });
  }
}
