/**
 * Checks the host of each request. Then routes the request by its path: to the home page, the page's files, the health
 * probe or the RPC handlers.
 */
import type { Exchange, Handler } from "./http/exchange.ts";
import { HostCheck } from "./http/host-check.ts";
import { respondOptions } from "./http/responses.ts";
import { isHealthz } from "./services/healthz.ts";
import { PAGE_FILES } from "./site/page.ts";

export interface RequestRouterOptions {
  /** Responds to "/". */
  readonly home: Handler;
  /** Responds to the paths below PAGE_FILES. If undefined, `calls` responds to these paths too. */
  readonly pageFiles: Handler | undefined;
  /** Responds to "/healthz". */
  readonly healthz: Handler;
  /** Responds to every other path except "*". */
  readonly calls: Handler;
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
    if (isHome(path)) this.#options.home(exchange);
    else if (this.#isPageFile(path)) this.#options.pageFiles?.(exchange);
    else if (isHealthz(path)) this.#options.healthz(exchange);
    else if (path === "*") respondOptions(exchange, ["GET", "HEAD", "POST"]);
    else this.#options.calls(exchange);
  };

  /** Replaces `allowedHosts`: from now on, browsers may only name loopback hosts. */
  allowLoopbackOnly(): void {
    this.#hostCheck = this.#createHostCheck([]);
  }

  #isPageFile(path: string): boolean {
    return this.#options.pageFiles !== undefined && path.startsWith(PAGE_FILES);
  }

  #createHostCheck(allowedHosts: readonly string[] | undefined): HostCheck {
    const { corsOrigins, onRefusedHost } = this.#options;
    return new HostCheck({
      allowedHosts,
      corsOrigins,
      isProbe: isHealthz,
      isPage: (path) => isHome(path) || this.#isPageFile(path),
      onRefused: onRefusedHost,
    });
  }
}

function isHome(path: string): boolean {
  return path === "/" || path.startsWith("/?");
}
