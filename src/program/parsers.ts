/** The parsers of settings. Each returns undefined if the text is not allowed. */
import { isCorsOrigin } from "../server/http/cors.ts";
import { allowedHost } from "../server/http/host-check.ts";
import { isTrustedProxy } from "../server/listener/trusted-proxies.ts";

/** More workers than cores make a server slower. */
export const MAX_WORKERS = 256;

export function parsePort(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined;
}

/** Returns the number of workers. The word "auto" stands for the number of cores that this process may use. */
export function parseWorkers(text: string): number | undefined {
  if (text === "auto") return Math.min(process.getBuiltinModule("node:os").availableParallelism(), MAX_WORKERS);
  return /^[1-9]\d{0,2}$/.test(text) && Number(text) <= MAX_WORKERS ? Number(text) : undefined;
}

/** Returns an IP address or a host name. Removes the brackets around an IPv6 address in URL form. */
export function parseHost(text: string): string | undefined {
  const [, bare = text] = /^\[(.*:.*)\]$/.exec(text) ?? [];
  return /^[\w.:%-]+$/.test(bare) ? bare : undefined;
}

/** Returns the origins, or undefined if `isCorsOrigin` rejects one of them. */
export function parseOrigins(text: string): string[] | undefined {
  return parseList(text, isCorsOrigin);
}

/** Returns the hosts, or undefined if `allowedHost` rejects one of them. */
export function parseHosts(text: string): string[] | undefined {
  return parseList(text, (host) => allowedHost(host) !== undefined);
}

/** Returns the proxies, or undefined if `isTrustedProxy` rejects one of them. */
export function parseProxies(text: string): string[] | undefined {
  return parseList(text, isTrustedProxy);
}

/** Returns the items between commas, or undefined if one of them is invalid. An empty text is an empty list. */
function parseList(text: string, isValid: (item: string) => boolean): string[] | undefined {
  if (text.trim() === "") return [];
  const items = text.split(",").map((item) => item.trim());
  return items.every(isValid) ? items : undefined;
}

/** An empty path is an error: `--tls-cert "$CERT"` with CERT unset must not silently turn TLS off. */
export function parsePath(text: string): string | undefined {
  return text === "" || text.includes("\0") ? undefined : text;
}

export function parseSwitch(text: string): boolean | undefined {
  return text === "on" || text === "off" ? text === "on" : undefined;
}

/** Returns a decimal number from 0 to 1, such as 0.01. */
export function parseRatio(text: string): number | undefined {
  return /^(?:\d+\.?\d*|\.\d+)$/.test(text) && Number(text) <= 1 ? Number(text) : undefined;
}
