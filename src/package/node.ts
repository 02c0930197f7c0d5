/** The entry of the package for the servers and frameworks of Node: adapters in place of those of Connect. */
export type { NodeServerRequest, NodeServerResponse } from "../server/adapters/adapter.ts";
export {
  type ExpressMiddleware,
  type ExpressMiddlewareOptions,
  expressMiddleware,
} from "../server/adapters/express.ts";
export { type FastifyPluginOptions, fastifyPlugin } from "../server/adapters/fastify.ts";
export { type NodeAdapterOptions, type NodeHandler, nodeAdapter } from "../server/adapters/node-adapter.ts";
export type { AdapterLimits, AdapterOptions } from "../server/adapters/options.ts";
