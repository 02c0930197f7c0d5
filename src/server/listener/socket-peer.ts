/** The peer of a socket, plain or TLS. */
import type { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Peer, PeerCertificate } from "../http/exchange.ts";

export class SocketPeer implements Peer {
  readonly #socket: Socket & Partial<Pick<TLSSocket, "authorized" | "getPeerX509Certificate">>;
  #address: string | undefined;
  #certificate: PeerCertificate | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get address(): string | undefined {
    // An IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) becomes the IPv4 address.
    this.#address ??= this.#socket.remoteAddress?.replace(/^::ffff:(?=\d+\.)/, "");
    return this.#address;
  }

  get port(): number | undefined {
    return this.#socket.remotePort;
  }

  get certificate(): PeerCertificate | undefined {
    if (this.#certificate === undefined && this.#socket.authorized) {
      const certificate = this.#socket.getPeerX509Certificate?.();
      if (certificate !== undefined) this.#certificate = peerCertificate(certificate);
    }
    return this.#certificate;
  }
}

function peerCertificate(certificate: X509Certificate): PeerCertificate {
  const { subject } = certificate.toLegacyObject();
  return { subject: { ...subject }, alternativeNames: namesIn(certificate.subjectAltName), raw: certificate.raw };
}

/** Parses Node's list of alternative names. Node quotes a name with special characters, such as a comma, as in JSON. */
function namesIn(list = ""): string[] {
  const entries = list.matchAll(/(?:^|, )([^:]*):("(?:[^"\\]|\\.)*"|[^,]*)/gy);
  return Array.from(entries, ([, type, name = ""]) => `${type}:${name.startsWith('"') ? JSON.parse(name) : name}`);
}
