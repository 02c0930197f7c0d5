/** Limits the open connections from one address, for servers without a proxy, or with a proxy that names the client. */
import type { Socket } from "node:net";
import type { Limits, OnLimit } from "../limits/limits.ts";
import { IPV4_MAPPING } from "./trusted-proxies.ts";

export class ConnectionsPerAddress {
  readonly #max: number;
  readonly #onLimit: OnLimit;
  /** The number of open connections by network. Empty if the limit is off. */
  readonly #open = new Map<string, number>();

  constructor({ connectionsPerAddress }: Limits, onLimit: OnLimit) {
    this.#max = connectionsPerAddress;
    this.#onLimit = onLimit;
  }

  /**
   * Counts a connection until it closes. Returns false, without counting it, if its address already has
   * `connectionsPerAddress` connections. Connections without an address are not limited.
   */
  tryAdd(socket: Socket): boolean {
    if (!Number.isFinite(this.#max)) return true;
    const { remoteAddress } = socket; // a system call, for which Node keeps an object per socket
    if (remoteAddress === undefined) return true; // a Unix domain socket, or a client that has disconnected
    const network = networkOf(remoteAddress);
    const count = this.#open.get(network) ?? 0;
    if (count >= this.#max) {
      this.#onLimit("connectionsPerAddress", `connections from ${network} exceed ${this.#max}`);
      return false;
    }
    this.#open.set(network, count + 1);
    socket.on("close", () => this.#remove(network));
    return true;
  }

  #remove(network: string): void {
    const left = (this.#open.get(network) as number) - 1;
    if (left > 0) this.#open.set(network, left);
    else this.#open.delete(network);
  }
}

/**
 * Returns the key that connections are counted by: an IPv4 address, or the /64 network of an IPv6 address. A single host can
 * use every address of a /64 network (RFC 4291, 2.5.4). An IPv4-mapped IPv6 address counts as its IPv4 address.
 */
export function networkOf(address: string): string {
  const text = address.replace(IPV4_MAPPING, "");
  if (!text.includes(":")) return text;
  const [head = "", tail] = text.split("::");
  const [first, last] = [head, tail ?? ""].map((part) => (part === "" ? [] : part.split(":"))) as [string[], string[]];
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  const groups = [...first, ...Array<string>(zeros).fill("0"), ...last];
  return `${groups.slice(0, 4).join(":")}::/64`;
}
