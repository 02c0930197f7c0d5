/**
 * The guard against DNS rebinding. A page whose name was made to lead here is same-origin to its browser, so CORS does
 * not stop it: only the host that it names tells it from a page of this server.
 */

import { isAuthority } from "./authority.ts";
import { type Exchange, fieldValue, type RequestHead } from "./exchange.ts";
import { respondBadAuthority, respondForbiddenHost } from "./responses.ts";

export interface HostCheckOptions {
  /** Hosts as allowedHost takes them, beside those of loopback. Undefined is every host. */
  readonly allowedHosts: readonly string[] | undefined;
  /** Origins whose pages may call by any host. */
  readonly corsOrigins: readonly string[];
  /** True if the path is of a page for browsers, which needs a host that a URL can have. */
  readonly isPage: (path: string) => boolean;
  /** True if the path is of health probes, which may name any host. */
  readonly isProbe: (path: string) => boolean;
  /** Is told of each host that is refused. */
  readonly onRefused: (authority: string) => void;
}

export class HostCheck {
  readonly #options: HostCheckOptions;
  readonly #allowed: readonly string[];
  #lastAuthority: string | undefined; // may be named by all, and most clients name the same

  constructor(options: HostCheckOptions) {
    this.#options = options;
    this.#allowed = (options.allowedHosts ?? ["*"]).map((host) => {
      const allowed = allowedHost(host);
      if (allowed === undefined) throw new TypeError(`allow host ${JSON.stringify(host)}: must be ${ALLOWED_HOST}`);
      return allowed;
    });
  }

  /**
   * Returns true if the request may be served. Otherwise answers it: with 400 over HTTP/1.1 if Host is not a host with
   * an optional port (RFC 9112, 3.2), with 403 if a browser may have sent it and the host is not allowed.
   */
  passes(exchange: Exchange): boolean {
    const { request } = exchange;
    const { authority, httpVersion, path } = request;
    if (authority === this.#lastAuthority) return true;
    if (!isAuthority(authority)) {
      // Over HTTP/2 callers name what they like: gRPC's health checkers the name of a cluster.
      if (httpVersion === "2.0" && !this.#options.isPage(path)) return true;
      respondBadAuthority(exchange);
      return false;
    }
    if (this.#allows(authority)) {
      this.#lastAuthority = authority;
      return true;
    }
    if (this.#options.isProbe(path) || !mayBeBrowser(request) || this.#hasAllowedOrigin(request)) return true;
    this.#options.onRefused(authority);
    respondForbiddenHost(exchange);
    return false;
  }

  #allows(authority: string): boolean {
    const host = hostOf(authority);
    return LOOPBACK.test(host) || this.#allowed.some((allowed) => matches(host, allowed));
  }

  #hasAllowedOrigin({ fields }: RequestHead): boolean {
    const { corsOrigins } = this.#options;
    const origin = fieldValue(fields, "origin");
    return origin !== undefined && (corsOrigins.includes("*") || corsOrigins.includes(origin));
  }
}

/** Describes the text that allowedHost takes. */
export const ALLOWED_HOST = "a name or an address without a port, .example.com for all names of a domain, or *";

/** Hosts that lead to this machine only, with every resolver (RFC 6761, 6.3). */
const LOOPBACK = /^(?:(?:.+\.)?localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/**
 * Returns an allowed host in the form in which hosts are compared: a name or an address without a port, "." before a
 * name for it and every name below it, or "*" for every host. Returns undefined if the text is none of these.
 */
export function allowedHost(text: string): string | undefined {
  if (text === "*") return text;
  const name = text.replace(/^\./, "");
  const authority = /^[\da-f]*:[\da-f:.]*$/i.test(name) ? `[${name}]` : name;
  if (!isAuthority(authority) || authority.replace(/^\[.*\]/, "").includes(":")) return undefined;
  return `${name === text ? "" : "."}${hostOf(authority)}`;
}

/** A browser names the origin of its page in every POST, but not in a GET to its own origin (Fetch, "Origin header"). */
function mayBeBrowser({ method, fields }: RequestHead): boolean {
  return method !== "POST" || fieldValue(fields, "origin") !== undefined;
}

/** Returns the host in one spelling, as a browser writes it: lower case, without zeros in an address, without a port. */
function hostOf(authority: string): string {
  return new URL(`http://${authority}/`).hostname.replace(/\.$/, "");
}

function matches(host: string, allowed: string): boolean {
  if (allowed.startsWith(".")) return host === allowed.slice(1) || host.endsWith(allowed);
  return allowed === "*" || host === allowed;
}
