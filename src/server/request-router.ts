/**
 * Checks the host of each request. Then routes the request by its path: to the home page, the page's files, the health
 * probe, the RPC handlers or the fallback.
 */
import type { Exchange, Handler } from "./http/exchange.ts";
import { HostCheck } from "./http/host-check.ts";
import { respondOptions } from "./http/responses.ts";
import { isHealthz } from "./services/healthz.ts";
import { PAGE_FILES } from "./site/page.ts";

export interface RequestRouterOptions {
  /** Responds to "/". If undefined, `calls` responds to this path too. */
  readonly home: Handler | undefined;
  /** Responds to the paths below PAGE_FILES. If undefined, `calls` responds to these paths too. */
  readonly pageFiles: Handler | undefined;
  /** Responds to "/healthz". If undefined, `calls` responds to this path too. */
  readonly healthz: Handler | undefined;
  /** Responds to the requests for every other path except "*", apart from those of `fallback`. */
  readonly calls: Handler;
  /** Responds to the requests for these paths that are not calls. If undefined, `calls` responds to them too. */
  readonly fallback: Handler | undefined;
  /** True if a request is for `calls`, and not for `fallback`. */
  readonly isCall: (exchange: Exchange) => boolean;
  /** Hosts that browsers may name, in addition to loopback names; undefined allows every host. */
  readonly allowedHosts: readonly string[] | undefined;
  /** Origins whose pages may name any host. */
  readonly corsOrigins: readonly string[];
  /** Called with the authority of each request that is refused because its host is not allowed. */
  readonly onRefusedHost: (host: string) => void;
}

export class RequestRouter {
  readonly #options: RequestRouterOptions;
  #hostCheck: HostCheck;

  /** Throws TypeError if an allowed host is invalid. */
  constructor(options: RequestRouterOptions) {
    this.#options = options;
    this.#hostCheck = this.#createHostCheck(options.allowedHosts);
  }

  /** Responds to a request. This is a field, because the HTTP servers call it without `this`. */
  readonly handle: Handler = (exchange: Exchange): void => {
    if (!this.#hostCheck.passes(exchange)) return;
    const { path } = exchange.request;
    const { home, pageFiles, healthz, calls, fallback, isCall } = this.#options;
    if (home !== undefined && isHome(path)) home(exchange);
    else if (pageFiles !== undefined && path.startsWith(PAGE_FILES)) pageFiles(exchange);
    else if (healthz !== undefined && isHealthz(path)) healthz(exchange);
    else if (path === "*") respondOptions(exchange, ["GET", "HEAD", "POST"]);
    else if (fallback !== undefined && !isCall(exchange)) fallback(exchange);
    else calls(exchange);
  };

  /** Replaces `allowedHosts`: from now on, browsers may only name loopback hosts, or may name every host. */
  allowHosts(hosts: "loopback" | "all"): void {
    this.#hostCheck = this.#createHostCheck(hosts === "all" ? undefined : []);
  }

  #createHostCheck(allowedHosts: readonly string[] | undefined): HostCheck {
    const { home, pageFiles, healthz, corsOrigins, onRefusedHost } = this.#options;
    return new HostCheck({
      allowedHosts,
      corsOrigins,
      isProbe: (path) => healthz !== undefined && isHealthz(path),
      isPage: (path) =>
        (home !== undefined && isHome(path)) || (pageFiles !== undefined && path.startsWith(PAGE_FILES)),
      onRefused: onRefusedHost,
    });
  }
}

function isHome(path: string): boolean {
  return path === "/" || path.startsWith("/?");
}
