/** The proxies that may say who the client is, as addresses and networks. */
import { BlockList, isIP, type Socket, SocketAddress } from "node:net";

/** The words for several networks: loopback, and the private and link-local ones (RFC 1918, 3927, 4193 and 4291). */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  loopback: ["127.0.0.0/8", "::1"],
  private: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"],
};

/** The word for connections without an address. */
const UNIX = "unix";

/** Matches the beginning of an IPv4-mapped IPv6 address, without which it is the IPv4 address (RFC 4291, 2.5.5.2). */
export const IPV4_MAPPING = /^::ffff:(?=\d+\.)/;

/** The form of an entry, as the end of the sentence "each must be". */
export const TRUSTED_PROXY = "an IP address, a network like 10.0.0.0/8, loopback, private or unix";

/** True if `entry` is valid in a list of trusted proxies. */
export function isTrustedProxy(entry: string): boolean {
  return entry === UNIX || Object.hasOwn(GROUPS, entry) || parseNetwork(entry) !== undefined;
}

export class TrustedProxies {
  // One list would compare IPv4 addresses with IPv6 networks, as IPv4-mapped addresses: ::/64 has all of these.
  readonly #ipv4 = new BlockList();
  readonly #ipv6 = new BlockList();
  readonly #trustsUnix: boolean;

  /** Returns the proxies of the entries, which must be valid. Returns undefined for an empty list. */
  static of(entries: readonly string[] = []): TrustedProxies | undefined {
    return entries.length === 0 ? undefined : new TrustedProxies(entries);
  }

  private constructor(entries: readonly string[]) {
    this.#trustsUnix = entries.includes(UNIX);
    for (const entry of entries.flatMap((each) => GROUPS[each] ?? each)) {
      const { address, prefix } = parseNetwork(entry) ?? {};
      if (address !== undefined && prefix !== undefined)
        this.#of(address).addSubnet(address, prefix, familyOf(address));
    }
  }

  /** True if a proxy with this canonical address is trusted. */
  has(address: string): boolean {
    return this.#of(address).check(address, familyOf(address));
  }

  #of(address: string): BlockList {
    return familyOf(address) === "ipv6" ? this.#ipv6 : this.#ipv4;
  }

  /** True if the other side of a connection is a trusted proxy. Must be called while the connection is open. */
  includes(socket: Socket): boolean {
    const { remoteAddress } = socket;
    if (remoteAddress !== undefined) return this.has(canonicalAddress(remoteAddress.replace(/%.*/, "")) ?? "");
    // A TCP connection that the client has reset has no remote address either. Its bytes can still be read.
    return this.#trustsUnix && !socket.destroyed && socket.localAddress === undefined;
  }
}

/**
 * Returns the one text that stands for an IP address (RFC 5952): an IPv4-mapped IPv6 address becomes the IPv4 address.
 * Returns undefined if `text` is not an address, or has a zone.
 */
export function canonicalAddress(text: string): string | undefined {
  const version = isIP(text);
  if (version === 4) return text;
  if (version === 0 || text.includes("%")) return undefined;
  return new SocketAddress({ address: text, family: "ipv6" }).address.replace(IPV4_MAPPING, "");
}

interface Network {
  readonly address: string;
  /** The number of leading bits that all addresses of the network have in common. */
  readonly prefix: number;
}

function parseNetwork(entry: string): Network | undefined {
  const [, text = "", bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(entry) ?? [];
  const address = canonicalAddress(text);
  if (address === undefined) return undefined;
  const size = address.includes(":") ? 128 : 32;
  const mapping = isIP(text) === 6 ? 128 - size : 0; // ::ffff:10.0.0.0/104 is 10.0.0.0/8
  const prefix = bits === undefined ? size : Number(bits) - mapping;
  return prefix >= 0 && prefix <= size ? { address, prefix } : undefined;
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return address.includes(":") ? "ipv6" : "ipv4";
}
