/** The plugin for Fastify. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ContextValues } from "@connectrpc/connect";
import { pathWithoutQuery } from "../http/exchange.ts";
import { MAX_TIMER_MS } from "../limits/process-clock.ts";
import type { OptionRule } from "../option-validation.ts";
import { Adapter, type NodeServerRequest, type NodeServerResponse } from "./adapter.ts";
import { ADAPTER_RULES, type AdapterOptions, readAdapterOptions } from "./options.ts";

/** The part of Fastify's instance that the plugin uses. */
export interface FastifyInstanceLike {
  all(path: string, handler: (request: FastifyRequestLike, reply: FastifyReplyLike) => void): unknown;
  addContentTypeParser(contentType: string | RegExp, parser: FastifyParser): unknown;
  hasContentTypeParser(contentType: string | RegExp): boolean;
  removeContentTypeParser(contentType: string | RegExp): unknown;
  addHook(name: "preClose", hook: (done: () => void) => void): unknown;
}

/** The part of Fastify's request that the plugin uses. */
export interface FastifyRequestLike {
  readonly raw: NodeServerRequest;
  readonly body?: unknown;
}

/** The part of Fastify's reply that the plugin uses. */
export interface FastifyReplyLike {
  readonly raw: NodeServerResponse;
  getHeaders(): Record<string, number | string | string[] | undefined>;
}

type FastifyParser = (request: unknown, payload: unknown, done: (error: Error | null, body?: unknown) => void) => void;

/** The options of `fastifyPlugin`: those of fastifyConnectPlugin and of the routes. */
export interface FastifyPluginOptions extends Omit<AdapterOptions, "routes"> {
  /** Registers the services. Default: none, and the plugin does nothing. */
  readonly routes?: AdapterOptions["routes"];
  /**
   * Makes the context values of each call, from Fastify's request. An error ends the call like an error of a handler.
   * Default: the values only have the peer (`peerKey`), which they have in any case.
   */
  // biome-ignore lint/suspicious/noExplicitAny: Fastify's type, without a dependency on Fastify
  readonly contextValues?: (request: any) => ContextValues;
  /**
   * Time in ms from the call of `fastify.close` until handlers are told to stop and streams are ended. Default: calls may
   * take any time.
   */
  readonly shutdownTimeoutMs?: number;
  /** The reason with which calls are ended then. Clients get it if it is a ConnectError. */
  readonly shutdownError?: unknown;
}

/** The content types of the protocols. Their bodies are left to be read. */
const CONTENT_TYPES: readonly (string | RegExp)[] = [
  "application/json",
  "application/proto",
  /^application\/(?:connect\+|grpc(?:-web)?(?:\+|;|$))/i,
];

/**
 * Serves the routes in a Fastify application, in place of fastifyConnectPlugin: `fastify.register(fastifyPlugin, { routes })`.
 * Health and reflection are off by default. Passes TypeError or RangeError for an invalid option to `done`, and Error if
 * the routes register a procedure twice.
 */
export function fastifyPlugin(
  instance: FastifyInstanceLike,
  options: FastifyPluginOptions,
  done: (error?: Error) => void,
): void {
  try {
    if (hasRoutes(options)) register(instance, options);
  } catch (error) {
    done(error as Error);
    return;
  }
  done();
}

type WithRoutes = FastifyPluginOptions & Pick<AdapterOptions, "routes">;

function hasRoutes(options: FastifyPluginOptions): options is WithRoutes {
  return options.routes !== undefined;
}

function register(instance: FastifyInstanceLike, options: WithRoutes): void {
  const read = readAdapterOptions("fastifyPlugin", options, RULES);
  const { contextValues, shutdownTimeoutMs, shutdownError, ...routesOptions } = read;
  for (const name of REGISTER_OPTIONS) delete (routesOptions as Record<string, unknown>)[name];
  const signals = routesOptions.shutdownSignal === undefined ? [] : [routesOptions.shutdownSignal];
  if (shutdownTimeoutMs !== undefined) signals.push(abortAfterClose(instance, shutdownTimeoutMs, shutdownError));
  const adapter = new Adapter(
    { ...routesOptions, ...(signals.length > 0 && { shutdownSignal: AbortSignal.any(signals) }) },
    contextValues,
  );
  for (const contentType of CONTENT_TYPES) {
    // Fastify encapsulates plugins, so that the application's own parser still parses the bodies of other routes.
    if (instance.hasContentTypeParser(contentType)) instance.removeContentTypeParser(contentType);
    instance.addContentTypeParser(contentType, leaveBody);
  }
  for (const path of adapter.paths) {
    instance.all(path, (request, reply) => {
      const req = request.raw as IncomingMessage;
      const res = reply.raw as ServerResponse;
      const url = req.url ?? "";
      const sent = pathWithoutQuery(url);
      // The path may have the prefix of the plugin, or differ in other ways that Fastify's router ignores.
      const routed = sent === path ? undefined : `${path}${url.slice(sent.length)}`;
      adapter.handle({ req, res, source: request, parsedBody: request.body, path: routed, reply });
    });
  }
}

/** Returns a signal that aborts `ms` after Fastify began to close. */
function abortAfterClose(instance: FastifyInstanceLike, ms: number, reason: unknown): AbortSignal {
  const controller = new AbortController();
  instance.addHook("preClose", (done) => {
    setTimeout(() => controller.abort(reason), Math.min(ms, MAX_TIMER_MS)).unref();
    done();
  });
  return controller.signal;
}

function leaveBody(_request: unknown, _payload: unknown, done: (error: Error | null, body?: unknown) => void): void {
  done(null, undefined);
}

/** The options of Fastify's `register`, which Fastify passes to the plugin too. */
const REGISTER_OPTIONS = ["prefix", "logLevel", "logSerializers"];

const ANY: OptionRule = { passes: () => true, allowed: "anything" };
const RULES = {
  ...ADAPTER_RULES,
  shutdownTimeoutMs: ADAPTER_RULES.maxTimeoutMs,
  shutdownError: ANY,
  ...Object.fromEntries(REGISTER_OPTIONS.map((name) => [name, ANY])),
};
