/** Validates and describes the address that a server listens on. */
import { type AddressInfo, BlockList } from "node:net";

/**
 * A TCP port on a host, by default 127.0.0.1; the path of a Unix domain socket; or a listening socket that was
 * inherited.
 */
export type ListenAddress =
  | { readonly port: number; readonly host?: string }
  | { readonly path: string }
  | { readonly fd: number };

/** The options of Node's listen that correspond to `ListenAddress`. */
export interface NodeListenOptions {
  readonly port?: number;
  readonly host?: string;
  readonly path?: string;
  readonly fd?: number;
}

/** The address that the server is bound to. For a Unix domain socket: its path, or an empty string if it was inherited. */
export type BoundAddress = AddressInfo | string;

const FORMS = "{ port, host }, { path } or { fd }";
const MAX_FD = 2 ** 31 - 1;

/** Returns the options for Node's listen. Throws TypeError if the address is invalid or has more than one form. */
export function nodeListenOptions(address: ListenAddress): NodeListenOptions {
  if (typeof address !== "object" || address === null) throw invalid(`${show(address)} must be ${FORMS}`);
  const given = Object.entries(address).filter(([, value]) => value !== undefined);
  const { port, host, path, fd, ...unknown } = Object.fromEntries(given) as Record<string, unknown>;
  const [stranger] = Object.keys(unknown);
  if (stranger !== undefined) throw invalid(`unknown option ${show(stranger)}; must be ${FORMS}`);
  const forms = [port ?? host, path, fd].filter((value) => value !== undefined);
  if (forms.length !== 1)
    throw invalid(`${forms.length === 0 ? "no address" : "more than one address"}; must be ${FORMS}`);
  if (path !== undefined) {
    if (typeof path !== "string" || path === "") throw invalid(`path ${show(path)} must be a string that is not empty`);
    return { path };
  }
  if (fd !== undefined) {
    if (!isWhole(fd, MAX_FD)) throw invalid(`fd ${show(fd)} must be a whole number from 0 on`);
    return { fd };
  }
  if (!isWhole(port, 65_535)) throw invalid(`port ${show(port)} must be a whole number from 0 to 65535`);
  if (host !== undefined && (typeof host !== "string" || host === ""))
    throw invalid(`host ${show(host)} must be a string that is not empty`);
  return { port, host: host ?? "127.0.0.1" };
}

/** Returns a short text for messages, such as "port 80". */
export function nameOf({ port, path, fd }: NodeListenOptions): string {
  return port !== undefined ? `port ${port}` : path !== undefined ? show(path) : `file descriptor ${fd}`;
}

/** True for a Unix domain socket or a loopback address. */
export function isLocal(bound: BoundAddress): boolean {
  return typeof bound === "string" || isLoopback(bound.address);
}

/** True for a loopback address in any spelling, such as "127.0.0.1" (RFC 1122, 3.2.1.3; RFC 4291, 2.5.3). */
export function isLoopback(address: string): boolean {
  return LOOPBACK.check(address, address.includes(":") ? "ipv6" : "ipv4");
}

/** The loopback addresses. The subnet also matches its addresses in IPv6, such as "::ffff:127.0.0.1". */
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8);
LOOPBACK.addAddress("::1", "ipv6");

function isWhole(value: unknown, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max;
}

function invalid(problem: string): TypeError {
  return new TypeError(`listen: ${problem}`);
}

function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
