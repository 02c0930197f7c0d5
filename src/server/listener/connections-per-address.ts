/** Limits the open connections from one address, for servers without a proxy in front of them. */
import type { Server, Socket } from "node:net";
import type { Limits, OnLimit } from "../limits/limits.ts";

/**
 * Closes each new connection from an address that already has `connectionsPerAddress` connections. Call this function after
 * all other "connection" listeners are set, so that its own listener runs first.
 */
export function limitConnectionsPerAddress(server: Server, { connectionsPerAddress }: Limits, onLimit: OnLimit): void {
  if (!Number.isFinite(connectionsPerAddress)) return;
  const open = new Map<string, number>();
  server.prependListener("connection", (socket: Socket) => {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined) return; // a Unix domain socket, or a client that has disconnected
    const network = networkOf(remoteAddress);
    const count = open.get(network) ?? 0;
    if (count >= connectionsPerAddress) {
      onLimit("connectionsPerAddress", `connections from ${network} exceed ${connectionsPerAddress}`);
      socket.destroy(); // the other listeners get this socket too, but it only emits "close"
      return;
    }
    open.set(network, count + 1);
    socket.on("close", () => {
      const left = (open.get(network) as number) - 1;
      if (left > 0) open.set(network, left);
      else open.delete(network);
    });
  });
}

/**
 * Returns the key that connections are counted by: an IPv4 address, or the /64 network of an IPv6 address. A single host can
 * use every address of a /64 network (RFC 4291, 2.5.4). An IPv4-mapped IPv6 address counts as its IPv4 address.
 */
export function networkOf(address: string): string {
  const [, ipv4] = /^::ffff:([\d.]+)$/i.exec(address) ?? [];
  if (ipv4 !== undefined || !address.includes(":")) return ipv4 ?? address;
  const [head = "", tail] = address.split("::");
  const [first, last] = [head, tail ?? ""].map((part) => (part === "" ? [] : part.split(":"))) as [string[], string[]];
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  const groups = [...first, ...Array<string>(zeros).fill("0"), ...last];
  return `${groups.slice(0, 4).join(":")}::/64`;
}
