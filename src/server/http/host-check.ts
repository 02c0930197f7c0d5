/**
 * The host check protects against DNS rebinding: an attacker makes the host name of a web page resolve to this server.
 * The browser then sees the page and this server as one origin, so CORS does not stop the page. Only the host in the
 * page's requests shows the attack.
 */

import { quote } from "../log/quote.ts";
import { hostOf } from "./authority.ts";
import { type Exchange, type RequestHead, requestField } from "./exchange.ts";
import { respondText } from "./responses.ts";

export interface HostCheckOptions {
  /** Hosts that browsers may name, in addition to loopback hosts; `allowedHost` accepts each. Undefined allows all hosts. */
  readonly allowedHosts: readonly string[] | undefined;
  /** Origins of pages that may send requests with any host. */
  readonly corsOrigins: readonly string[];
  /** True if the path belongs to the page for browsers. Over HTTP/2, only these paths require a valid authority. */
  readonly isPage: (path: string) => boolean;
  /** True if the path is for health probes, which may name a host that is not allowed. */
  readonly isProbe: (path: string) => boolean;
  /** Called with each authority that is refused because its host is not allowed. */
  readonly onRefused: (authority: string) => void;
}

/** The default number of authorities that are remembered. */
const MAX_REMEMBERED = 64;
/** The length of the longest authority that is remembered: a name of DNS and a port. */
const MAX_REMEMBERED_LENGTH = 260;

/**
 * Authorities that have passed the check, because parsing one costs 1 µs. Forgets all when full: clients that send many
 * cost the others one check for each `max` of theirs, and no memory.
 */
export class PassedAuthorities {
  readonly #max: number;
  readonly #authorities = new Set<string>();

  constructor(max = MAX_REMEMBERED) {
    this.#max = max;
  }

  has(authority: string): boolean {
    return this.#authorities.has(authority);
  }

  add(authority: string): void {
    if (authority.length > MAX_REMEMBERED_LENGTH) return;
    if (this.#authorities.size >= this.#max) this.#authorities.clear();
    this.#authorities.add(authority);
  }
}

export class HostCheck {
  readonly #options: HostCheckOptions;
  readonly #allowed: readonly string[];
  readonly #passed = new PassedAuthorities();

  /** Throws TypeError if an allowed host is invalid. */
  constructor(options: HostCheckOptions) {
    this.#options = options;
    this.#allowed = (options.allowedHosts ?? ["*"]).map((host) => {
      const allowed = allowedHost(host);
      if (allowed === undefined) throw new TypeError(`allow host ${JSON.stringify(host)}: must be ${ALLOWED_HOST}`);
      return allowed;
    });
  }

  /**
   * Returns true if the request may be served. Otherwise sends a response and returns false. The response is 400 if the
   * authority is invalid (RFC 9112, 3.2), over HTTP/2 only for the page. The response is 403 if a browser may have sent
   * the request and the host is not allowed. Probes, and pages on `corsOrigins`, never get 403.
   */
  passes(exchange: Exchange): boolean {
    const { request } = exchange;
    const { authority, httpVersion, path } = request;
    if (this.#passed.has(authority)) return true;
    const host = hostOf(authority);
    if (host === undefined) {
      // HTTP/2 clients may send any text as :authority. Health checkers of gRPC send the name of a cluster.
      if (httpVersion === "2.0" && !this.#options.isPage(path)) return true;
      respondText(exchange, 400, `read the request: ${quote(authority)} is not a host with an optional port\n`);
      return false;
    }
    if (isLoopbackHost(host) || this.#allowed.some((allowed) => matches(host, allowed))) {
      this.#passed.add(authority);
      return true;
    }
    if (this.#options.isProbe(path) || !mayBeBrowser(request) || this.#hasAllowedOrigin(request)) return true;
    this.#options.onRefused(authority);
    respondForbiddenHost(exchange);
    return false;
  }

  #hasAllowedOrigin(request: RequestHead): boolean {
    const { corsOrigins } = this.#options;
    const origin = requestField(request, "origin");
    return origin !== undefined && (corsOrigins.includes("*") || corsOrigins.includes(origin));
  }
}

/** Describes the text that `allowedHost` accepts, for messages. */
export const ALLOWED_HOST = "a name or an address without a port, .example.com for all names of a domain, or *";

/** Matches loopback addresses, and the names that resolve to them everywhere (RFC 6761, 6.3). */
const LOOPBACK = /^(?:(?:.+\.)?localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** True for loopback addresses and the names that resolve to them everywhere. `host` is in the spelling of `hostOf`. */
export function isLoopbackHost(host: string): boolean {
  return LOOPBACK.test(host);
}

/**
 * Returns an allowed host in the spelling of `hostOf`, or undefined if `text` is invalid. `text` is a name, an address
 * without a port, or "*" for every host. A "." before a name also allows every name below that name.
 */
export function allowedHost(text: string): string | undefined {
  if (text === "*") return text;
  const name = text.replace(/^\./, "");
  const authority = /^[\da-f]*:[\da-f:.]*$/i.test(name) ? `[${name}]` : name;
  const host = hostOf(authority);
  if (host === undefined || authority.replace(/^\[.*\]/, "").includes(":")) return undefined;
  return `${name === text ? "" : "."}${host}`;
}

/** True if a browser may have sent the request. Browsers send Origin in every POST, but not in a same-origin GET. */
function mayBeBrowser(request: RequestHead): boolean {
  return request.method !== "POST" || requestField(request, "origin") !== undefined;
}

/**
 * Responds 403 because the host is not allowed, as Rails, Vite and webpack-dev-server do. A 421 would make a browser
 * retry the request on another connection (RFC 9110, 15.5.20).
 */
function respondForbiddenHost(exchange: Exchange): void {
  const host = quote(exchange.request.authority);
  respondText(exchange, 403, `serve host ${host}: not one of the allowed hosts (--allowed-hosts)\n`);
}

function matches(host: string, allowed: string): boolean {
  if (allowed.startsWith(".")) return host === allowed.slice(1) || host.endsWith(allowed);
  return allowed === "*" || host === allowed;
}
