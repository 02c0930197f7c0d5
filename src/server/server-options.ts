/** The options of `createServer`. */
import type { ConnectRouterOptions, Interceptor } from "@connectrpc/connect";
import type { Limits } from "./limits/limits.ts";
import type { TlsCredentials } from "./listener/tls-credentials.ts";
import type { Routes } from "./rpc/options.ts";
import type { Page } from "./site/page.ts";

/** Takes one entry of the log. It has one or more lines, and each line after the first begins with a space. */
export type Log = (entry: string) => void;

/**
 * Only `routes` is required. The options of Connect's own adapters are accepted too, except `readMaxBytes`: use the
 * limit `messageBytes`. As in Connect, they apply to each registration that has no options of its own.
 */
export interface ServerOptions extends Omit<ConnectRouterOptions, "interceptors" | "readMaxBytes"> {
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
   * Hosts that a browser may name in a request, in addition to loopback names. This stops DNS rebinding: requests for
   * other hosts get status 403. Clients other than browsers may name any host. Each entry is a name or an address
   * without a port, ".example.com" for that domain and all names below it, or "*" for every host. Default: loopback
   * names only if the server listens on loopback, otherwise "*".
   */
  readonly allowedHosts?: readonly string[] | undefined;
  /**
   * Connect's interceptors; the first is the outermost. They do not run for the server's own health service (see
   * `interceptHealth`), nor, as in Connect, for a registration with `interceptors` of its own. Default: none.
   */
  readonly interceptors?: readonly Interceptor[];
  /** Runs the interceptors for the server's own health service too. Probes have no credentials. Default: false. */
  readonly interceptHealth?: boolean;
  /** Serves gRPC reflection, from which tools get the schema. Interceptors run for its calls. Default: true. */
  readonly reflection?: boolean;
  /** Serves valid unary calls on the fast path. If false, Connect's handlers serve every call. Default: true. */
  readonly fastPath?: boolean;
  /**
   * The HTTP/2 implementation: this project's own, or node:http2, which enforces fewer limits (docs/limits.md).
   * Default: "built-in".
   */
  readonly http2?: "built-in" | "node";
  /** The page that browsers get at "/"; `readPage` reads it. Other clients get text. Default: text for every client. */
  readonly page?: Page | undefined;
  /** Credentials in PEM, which turn TLS on. Default: the port is plain. */
  readonly tls?: TlsCredentials | undefined;
  /** Limits on the resources that clients may use, each with a default (docs/limits.md). Units are in their names. */
  readonly limits?: Partial<Limits>;
  /** Logs an event that an operator should know. Control characters are escaped. Default: console.error. */
  readonly log?: Log;
}
