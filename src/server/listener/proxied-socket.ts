/** Stores the client that a PROXY protocol header names as the remote address of the socket, which node:http reads, too. */
import type { Socket } from "node:net";
import type { ProxiedClient } from "./proxy-protocol.ts";

const CLIENT = Symbol("client");

interface ProxiedSocket {
  [CLIENT]?: ProxiedClient | "unknown";
}

/** Makes the remote address and port of `socket` those of `client`. They remain those of the proxy if `client` is unknown. */
export function setClient(socket: Socket, client: ProxiedClient | "unknown"): void {
  (socket as ProxiedSocket)[CLIENT] = client;
  if (client === "unknown") return;
  const { address, port } = client;
  const remote = { remoteAddress: address, remotePort: port, remoteFamily: address.includes(":") ? "IPv6" : "IPv4" };
  // The properties of Node's class are accessors.
  for (const [name, value] of Object.entries(remote)) Object.defineProperty(socket, name, { value });
}

/** Sets the client of `plain` on `socket`, which is a TLS socket above it. Does nothing without such a client. */
export function inheritClient(socket: Socket, plain: Socket | undefined): void {
  const client = (plain as ProxiedSocket | undefined)?.[CLIENT];
  if (client !== undefined && !(CLIENT in socket)) setClient(socket, client);
}

/** True if a header says that the bytes come from a client without an address. */
export function hasUnknownClient(socket: Socket): boolean {
  return (socket as ProxiedSocket)[CLIENT] === "unknown";
}
