/** The middleware for Express. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ContextValues } from "@connectrpc/connect";
import { Adapter } from "./adapter.ts";
import { ADAPTER_RULES, type AdapterOptions, readAdapterOptions } from "./options.ts";

/** Middleware of Express 4 and 5. */
export type ExpressMiddleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * The options of `expressMiddleware`: those of expressConnectMiddleware and of the routes. Only `routes` is required.
 */
export interface ExpressMiddlewareOptions extends AdapterOptions {
  /**
   * Makes the context values of each call, from Express's request. An error ends the call like an error of a handler.
   * Default: the values only have the peer (`peerKey`), which they have in any case.
   */
  // biome-ignore lint/suspicious/noExplicitAny: Express's type, without a dependency on Express
  readonly contextValues?: (request: any) => ContextValues;
}

/**
 * Returns middleware that serves the routes in an Express application, in place of expressConnectMiddleware:
 * `app.use(expressMiddleware({ routes }))`. Calls `next` for paths that are not procedures. Health and reflection are off
 * by default. Throws TypeError or RangeError for an invalid option, and Error if the routes register a procedure twice.
 */
export function expressMiddleware(options: ExpressMiddlewareOptions): ExpressMiddleware {
  const { contextValues, ...routesOptions } = readAdapterOptions("expressMiddleware", options, ADAPTER_RULES);
  const adapter = new Adapter(routesOptions, contextValues);
  return (request, response, next) => {
    if (!adapter.isProcedure(request.url ?? "")) {
      next();
      return;
    }
    const { body: parsedBody } = request as { readonly body?: unknown };
    adapter.handle({ req: request, res: response, source: request, parsedBody });
  };
}
