/** The adapter for the servers of node:http, node:https and node:http2. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ContextValues } from "@connectrpc/connect";
import { FUNCTION } from "../option-validation.ts";
import { Adapter, type NodeServerRequest, type NodeServerResponse } from "./adapter.ts";
import { ADAPTER_RULES, type AdapterOptions, readAdapterOptions } from "./options.ts";

/** A listener for the requests of http.Server, https.Server, http2.Http2Server or http2.Http2SecureServer. */
export type NodeHandler = (request: NodeServerRequest, response: NodeServerResponse) => void;

/** The options of `nodeAdapter`: those of connectNodeAdapter and of the routes. Only `routes` is required. */
export interface NodeAdapterOptions extends AdapterOptions {
  /**
   * Handles the requests to paths that are not procedures, with Node's objects, which are untouched. Default: such a
   * request gets the error unimplemented in its protocol, which is status 404 except in gRPC and gRPC-Web.
   */
  readonly fallback?: NodeHandler;
  /**
   * Makes the context values of each call. An error ends the call like an error of a handler. Default: the values only
   * have the peer (`peerKey`), which they have in any case.
   */
  readonly contextValues?: (request: NodeServerRequest) => ContextValues;
}

/**
 * Returns a listener that serves the routes on one of Node's own servers, in place of connectNodeAdapter:
 * `http.createServer(nodeAdapter({ routes }))`. Health and reflection are off by default. Throws TypeError or RangeError
 * for an invalid option, and Error if the routes register a procedure twice.
 */
export function nodeAdapter(options: NodeAdapterOptions): NodeHandler {
  const { fallback, contextValues, ...routesOptions } = readAdapterOptions("nodeAdapter", options, RULES);
  const adapter = new Adapter(routesOptions, contextValues);
  return (request, response) => {
    if (fallback !== undefined && !adapter.isProcedure(request.url ?? "")) {
      fallback(request, response);
      return;
    }
    // Node's HTTP/2 objects have all methods of the HTTP/1.1 objects that are used.
    const req = request as IncomingMessage & { readonly body?: unknown };
    adapter.handle({ req, res: response as ServerResponse, source: request, parsedBody: req.body });
  };
}

const RULES = { ...ADAPTER_RULES, fallback: FUNCTION };
