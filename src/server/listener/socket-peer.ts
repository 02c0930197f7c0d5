/** The peer of a socket, plain or TLS. */
import type { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { ConnectionPeer, Peer, PeerCertificate, RequestHead } from "../http/exchange.ts";
import { IPV4_MAPPING } from "./trusted-proxies.ts";

export class SocketPeer implements ConnectionPeer {
  readonly #socket: Socket & Partial<Pick<TLSSocket, "authorized" | "getPeerX509Certificate">>;
  #address: string | undefined;
  #certificate: PeerCertificate | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get address(): string | undefined {
    this.#address ??= this.#socket.remoteAddress?.replace(IPV4_MAPPING, "");
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

  of(_request: RequestHead): Peer {
    return this;
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
