/** The client of each request on the connection of a trusted proxy, by `X-Forwarded-For`. */
import type { Socket } from "node:net";
import {
  type ConnectionPeer,
  type Peer,
  type PeerCertificate,
  type RequestHead,
  requestField,
} from "../http/exchange.ts";
import { hasUnknownClient } from "./proxied-socket.ts";
import { SocketPeer } from "./socket-peer.ts";
import { canonicalAddress, type TrustedProxies } from "./trusted-proxies.ts";

/** The number of entries that are read, from the last one. A client may send any number, but few proxies follow each other. */
const MAX_ENTRIES = 16;

/** Matches an entry: an address, also in brackets, and a port, which an IPv6 address without brackets cannot have. */
const ENTRY = /^(?:\[([\d.:a-f]{2,45})\]|([\d.]{7,15})|([\d.:a-f]{2,45}))(?::(\d{1,5}))?$/i;

/** The part of a peer that a proxy names. */
type Client = Pick<Peer, "address" | "port">;

/** Returns the peer of a connection. Must be called while the connection is open. */
export function connectionPeer(socket: Socket, trusted: TrustedProxies): ConnectionPeer {
  const isProxy = trusted.includes(socket) && !hasUnknownClient(socket);
  return isProxy ? new ProxyPeer(socket, trusted) : new SocketPeer(socket);
}

class ProxyPeer extends SocketPeer {
  readonly #trusted: TrustedProxies;

  constructor(socket: Socket, trusted: TrustedProxies) {
    super(socket);
    this.#trusted = trusted;
    void this.address; // which is lost when the proxy disconnects
  }

  /** Keeps nothing of the request, because an idle connection would keep its last head alive: up to 112 KiB. */
  override of(request: RequestHead): Peer {
    return new ForwardedPeer(this, request, this.#trusted);
  }
}

/** Parses the field when the address or the port is read. */
class ForwardedPeer implements Peer {
  readonly connection: Peer;
  readonly #request: RequestHead;
  readonly #trusted: TrustedProxies;
  #client: Client | undefined;

  constructor(connection: Peer, request: RequestHead, trusted: TrustedProxies) {
    this.connection = connection;
    this.#request = request;
    this.#trusted = trusted;
  }

  get address(): string | undefined {
    return this.#find().address;
  }

  get port(): number | undefined {
    return this.#find().port;
  }

  get certificate(): PeerCertificate | undefined {
    return this.connection.certificate;
  }

  #find(): Client {
    this.#client ??= forwardedClient(requestField(this.#request, "x-forwarded-for"), this.connection, this.#trusted);
    return this.#client;
  }
}

/**
 * Returns the client that a field names: its last entry that is not a trusted proxy. Each proxy has appended the address that
 * it has received the request from, so the entries before that one are the word of the client. If an entry is not an IP
 * address, returns the entry after it. Returns `proxy` without such an entry.
 */
export function forwardedClient(field: string | undefined, proxy: Client, trusted: TrustedProxies): Client {
  let client = proxy;
  let end = field?.length ?? 0;
  for (let count = 0; field !== undefined && end >= 0 && count < MAX_ENTRIES; count++) {
    const comma = end === 0 ? -1 : field.lastIndexOf(",", end - 1);
    const named = parseEntry(field.slice(comma + 1, end).trim());
    if (named === undefined) break;
    client = named;
    if (!trusted.has(named.address)) break;
    end = comma;
  }
  return client;
}

function parseEntry(entry: string): (Client & { readonly address: string }) | undefined {
  const [, bracketed, ipv4, ipv6, digits] = ENTRY.exec(entry) ?? [];
  const address = canonicalAddress(bracketed ?? ipv4 ?? ipv6 ?? "");
  const port = digits === undefined ? undefined : Number(digits);
  return address === undefined || (port ?? 0) > 0xffff ? undefined : { address, port };
}
