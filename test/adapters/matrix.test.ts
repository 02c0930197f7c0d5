/** Calls through nodeAdapter, on each of Node's servers: every protocol and codec, compared with the other servers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CELLS, type Cell, TLS_CELLS } from "../support/cells.ts";
import { send } from "../support/http.ts";
import { lasting } from "../support/lasting.ts";
import { NODE_SERVER_NAMES, NODE_SERVERS, startAdapter } from "../support/node-server.ts";
import { Random } from "../support/random.ts";
import { randomRequest } from "../support/random-call.ts";
import { runCases } from "../support/run-cases.ts";
import { scriptedRoutes } from "../support/scripted.ts";
import { startServer } from "../support/server.ts";
import { asStock, startStock } from "../support/stock.ts";

const SEED = 20_261_201;
const CALLS = 16;

for (const name of NODE_SERVER_NAMES) {
  for (const cell of [...CELLS, ...TLS_CELLS].filter(NODE_SERVERS[name].serves)) {
    test(`under nodeAdapter on ${name}, in ${cell.name}`, async (t) => {
      const { url } = await startAdapter(t, name);
      await runCases(t, cell, url);
    });

    test(`random calls get equal responses from nodeAdapter on ${name}, createServer and connectNodeAdapter, in ${cell.name}`, async (t) => {
      for (const fastPath of [true, false]) {
        const { url } = await startAdapter(t, name, { routes: scriptedRoutes, fastPath });
        const server = await startServer(t, { routes: scriptedRoutes, fastPath, tls: cell.tls });
        const plain: Cell = { ...cell, tls: undefined as never };
        const stock = await startStock(t, cell.http, { routes: scriptedRoutes });
        const random = new Random(SEED);
        for (let i = 0; i < CALLS; i++) {
          const request = randomRequest(random, cell);
          const response = lasting(await send(cell.http, url, request));
          assert.deepEqual(response, lasting(await send(cell.http, server.url, request)), `call ${i}`);
          const expected = lasting(await send(cell.http, stock, request));
          assert.deepEqual(asStock(plain, response), asStock(plain, expected), `call ${i}`);
        }
      }
    });
  }
}
