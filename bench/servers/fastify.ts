/** Serves Add as JSON over HTTP/1.1 on fastify, with the schemas that make fastify fast. */
import type { AddressInfo } from "node:net";
import Fastify from "fastify";
import { PATH } from "./add.ts";
import { announce } from "./ready.ts";

const INT32 = { type: "integer", minimum: -(2 ** 31), maximum: 2 ** 31 - 1 };

const server = Fastify();
server.post<{ Body: { a?: number; b?: number } }>(
  PATH,
  {
    schema: {
      body: { type: "object", properties: { a: INT32, b: INT32 } },
      response: { 200: { type: "object", properties: { sum: INT32 } } },
    },
  },
  async ({ body: { a = 0, b = 0 } }, reply) => {
    const sum = a + b;
    if (sum < INT32.minimum || sum > INT32.maximum) {
      return reply.code(400).send({ code: "out_of_range", message: `add ${a} and ${b}: ${sum} is outside int32` });
    }
    return { sum };
  },
);
await server.listen({ host: "127.0.0.1", port: 0 });
announce(server.server.address() as AddressInfo);
