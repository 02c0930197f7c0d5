/** Serves Eliza on @connect-sum/server, which has both HTTP versions on one port. */
import { createServer } from "@connect-sum/server";
import { page, routes } from "./eliza.ts";

const server = createServer({ routes, fallback: page });
const { address, port } = await server.listen({ port: Number(process.env.PORT ?? 8080) });
console.log(`listening on http://${address}:${port}`);

process.once("SIGTERM", () => server.close());
