/** The entry of the package for the servers and frameworks of Node: adapters in place of those of Connect. */
export { type NodeAdapterOptions, type NodeHandler, nodeAdapter } from "../server/adapters/node-adapter.ts";
