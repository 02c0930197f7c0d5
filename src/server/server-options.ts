/** The options of `createServer`: those of the routes and their calls, and those of the port. */
import type { ConnectRouterOptions, Interceptor } from "@connectrpc/connect";
import type { Limits } from "./limits/limits.ts";
import type { TlsCredentials } from "./listener/tls-credentials.ts";
import type { Routes } from "./rpc/options.ts";
import type { Page } from "./site/page.ts";

/** Writes one entry of the log. An entry has one or more lines; each line after the first begins with four spaces. */
export type Log = (entry: string) => void;

/**
 * The options of the routes and their calls. Only `routes` is required. The options of Connect's own adapters are
 * accepted too, except `readMaxBytes`: use the limit `messageBytes` instead. As in Connect, each option of Connect applies
 * to the registrations that do not set it. Options that turn off a protocol only apply to registrations without options.
 */
export interface RoutesOptions extends Omit<ConnectRouterOptions, "interceptors" | "readMaxBytes"> {
  /**
   * Registers the services, exactly as for Connect's own adapters. Called once, by `createServer`. The options of a
   * registration replace those of the server, as in Connect, but cannot turn off the server's limits. The server adds
   * the services of health and reflection, unless the routes register a service of the same name.
   */
  readonly routes: Routes;
  /**
   * Origins whose pages may call the server (CORS), each like "https://example.com", or "*" for every origin. Default:
   * none.
   */
  readonly corsOrigins?: readonly string[];
  /**
   * Connect's interceptors; the first is the outermost. They do not run for the server's own health service (see
   * `interceptHealth`), nor, as in Connect, for a registration with `interceptors` of its own. Default: none.
   */
  readonly interceptors?: readonly Interceptor[];
  /** Runs the interceptors for the server's own health service too. Default: false, because probes have no credentials. */
  readonly interceptHealth?: boolean;
  /** Serves gRPC reflection, from which tools get the schema. Interceptors run for its calls. Default: true. */
  readonly reflection?: boolean;
  /** Serves valid unary calls on the fast path. If false, Connect's handlers serve every call. Default: true. */
  readonly fastPath?: boolean;
  /** Limits on the resources that clients may use, each with a default (docs/limits.md). The names include the units. */
  readonly limits?: Partial<Limits>;
  /** Writes log entries for the operator. Control characters in them are escaped. Default: console.error. */
  readonly log?: Log;
}

/** The options of `createServer`. Only `routes` is required. */
export interface ServerOptions extends RoutesOptions {
  /**
   * Hosts that a request may name, in addition to loopback names. A request that names another host gets status 403, which
   * stops DNS rebinding. Three kinds of requests may name any host: POST without Origin, which no browser sends; requests
   * of pages on `corsOrigins`; and those for /healthz. Each entry is a name or an address without a port, ".example.com"
   * for example.com and all names below it, or "*" for every host. Default: no further hosts if the server listens on
   * loopback, otherwise "*".
   */
  readonly allowedHosts?: readonly string[] | undefined;
  /**
   * The HTTP/2 implementation: this project's own, or node:http2, which enforces fewer limits (docs/limits.md).
   * Default: "built-in".
   */
  readonly http2?: "built-in" | "node";
  /**
   * The page that browsers get at "/"; `readPage` reads it. Other clients get text. The page comes with the schema of the
   * routes at "/-/schema", for every client, without interceptors. Default: text for every client, and no schema there.
   */
  readonly page?: Page | undefined;
  /** Turns TLS on, with these credentials in PEM. Default: no TLS. */
  readonly tls?: TlsCredentials | undefined;
}
