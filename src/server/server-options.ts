/** The options of `createServer`: those of the routes and their calls, and those of the port. */
import type { ConnectRouterOptions, ContextValues, Interceptor } from "@connectrpc/connect";
import type { Fallback } from "./fallback/fallback.ts";
import type { Limits } from "./limits/limits.ts";
import type { TlsCredentials } from "./listener/tls-credentials.ts";
import type { Log } from "./log/record.ts";
import type { CallRequest } from "./rpc/context-values.ts";
import type { Observer } from "./rpc/observer.ts";
import type { Routes } from "./rpc/options.ts";
import type { HealthStatus } from "./services/health-status.ts";
import type { Reflection } from "./services/reflection.ts";
import type { Page } from "./site/page.ts";

/**
 * The options of the routes and their calls. Only `routes` is required. The options of Connect's own adapters are
 * accepted too; `readMaxBytes` is the limit `messageBytes` by another name. As in Connect, each option of Connect applies
 * to the registrations that do not set it. Options that turn off a protocol only apply to registrations without options.
 * An option that is undefined counts as missing.
 */
export interface RoutesOptions extends Omit<ConnectRouterOptions, "interceptors"> {
  /**
   * Registers the services, exactly as for Connect's own adapters. Called once, by `createServer`. The options of a
   * registration replace those of the server, as in Connect, but cannot turn off the server's limits. The server adds
   * the services of health and reflection, unless the routes register a service of the same name.
   */
  readonly routes: Routes;
  /**
   * The beginning of the paths at which the services of the routes are served, such as "/api". Health and reflection stay
   * at the root, and clients of gRPC usually cannot add a prefix. Default: "", none.
   */
  readonly requestPathPrefix?: string;
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
  /**
   * Serves the health service of gRPC, and GET /healthz. A HealthStatus is served in place of a new one; its shutdown is
   * permanent, so servers that end at different times need one each. Default: true.
   */
  readonly health?: boolean | HealthStatus;
  /**
   * Serves gRPC reflection, from which tools get the schema: both versions, none, or one. Interceptors run for its calls.
   * Default: true.
   */
  readonly reflection?: Reflection;
  /** Serves valid calls on the fast path. If false, Connect's handlers serve every call. Default: true. */
  readonly fastPath?: boolean;
  /** Limits on the resources that clients may use, each with a default (docs/limits.md). The names include the units. */
  readonly limits?: Partial<Limits>;
  /** Writes log records for the operator. Default: console.error of the message and the stack. */
  readonly log?: Log;
  /**
   * Observes every call once: also calls of health and reflection, calls of procedures that do not exist, and calls that are
   * refused or cancelled. Requests that are not calls are not observed. Default: none.
   */
  readonly observer?: Observer;
}

/** The options of `createServer`. Only `routes` is required. */
export interface ServerOptions extends RoutesOptions {
  /**
   * Makes the context values of each call, for interceptors and handlers, before the request gate and the interceptors run.
   * An error ends the call like an error of a handler. Called for all services, but for the server's own health service only
   * with `interceptHealth`. Default: the values only have the peer (`peerKey`), which they have in any case.
   */
  readonly contextValues?: (request: CallRequest) => ContextValues;
  /**
   * Serves the requests that are not calls: those for a path without a procedure. Requests of gRPC and gRPC-Web for such a
   * path get the status unimplemented instead. The fallback sets its own headers: `corsOrigins` does not apply to it.
   * Default: status 404.
   */
  readonly fallback?: Fallback;
  /**
   * Hosts that a request may name, in addition to loopback names. A request that names another host gets status 403, which
   * stops DNS rebinding. Three kinds of requests may name any host: POST without Origin, which no browser sends; requests
   * of pages on `corsOrigins`; and those for /healthz. Each entry is a name or an address without a port, ".example.com"
   * for example.com and all names below it, or "*" for every host. Default: no further hosts if the server listens on
   * loopback and not beyond this machine, otherwise "*".
   */
  readonly allowedHosts?: readonly string[] | undefined;
  /**
   * Proxies that may say who the client is, for `peerKey`, the observer, the log and `connectionsPerAddress`: addresses, networks
   * like "10.0.0.0/8", "loopback", "private" for private and link-local networks, and "unix" for connections without an address.
   * A connection from one of them may begin with a PROXY protocol header (version 1 or 2), before TLS. If the address of the
   * connection is then still that of a trusted proxy, `X-Forwarded-For` names the client of each request: its last entry that is
   * not one of them. Default: none, so that no client can name another address.
   */
  readonly trustedProxies?: readonly string[] | undefined;
  /**
   * The HTTP/2 implementation: this project's own, or node:http2, which enforces fewer limits (docs/limits.md).
   * Default: "built-in".
   */
  readonly http2?: "built-in" | "node";
  /** Serves a text at "/" that lists the services and commands to call them. Default: false. */
  readonly homePage?: boolean;
  /**
   * The page that browsers get at "/"; `readPage` reads it. Other clients get the text of `homePage`. The page comes with
   * the schema of the routes at "/-/schema", for every client, without interceptors. Default: no page and no schema.
   *
   * @internal
   */
  readonly page?: Page | undefined;
  /** Turns TLS on, with these credentials in PEM. Default: no TLS. */
  readonly tls?: TlsCredentials | undefined;
}
