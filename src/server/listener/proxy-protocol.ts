/** Parses the header of the PROXY protocol, versions 1 and 2, with which a proxy names the client (haproxy.org). */
import { isIP } from "node:net";
import { canonicalAddress } from "./trusted-proxies.ts";

const V1_START = Buffer.from("PROXY ");
/** The maximum of version 1, with CRLF. */
const V1_MAX_BYTES = 107;
/** The client and the server, each with address and port. */
const V1_TCP = /^PROXY TCP([46]) (\S+) (\S+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})$/;

const V2_SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n");
/** The signature, the command, the family and the length of the rest. */
const V2_FIXED_BYTES = 16;
/** A header needs 52 bytes over IPv6, and more with extensions (TLV), of which the largest is a certificate. */
const V2_MAX_BYTES = 4_096;
const V2_LOCAL = 0x20;
const V2_PROXY = 0x21;
const V2_TCP4 = 0x11;
const V2_TCP6 = 0x21;
/** The bytes of the addresses by the family, in the upper half of its byte: none, IPv4, IPv6, Unix. */
const V2_ADDRESS_BYTES = [0, 12, 36, 216];
const V2_MAX_TRANSPORT = 2;

export interface ProxiedClient {
  /** The canonical IP address. */
  readonly address: string;
  readonly port: number;
}

/** A complete header. */
export interface ProxyHeader {
  /** The length of the header. */
  readonly bytes: number;
  /** "proxy" if the proxy speaks for itself, as in a health check. "unknown" if the client has no IP address and TCP port. */
  readonly client: ProxiedClient | "proxy" | "unknown";
}

/**
 * Parses the header at the start of a connection. Returns "none" if the connection does not begin with a header, and
 * "partial" if more bytes are needed. A header that is too long is "malformed", too.
 */
export function parseProxyHeader(start: Buffer): ProxyHeader | "none" | "partial" | "malformed" {
  if (beginsWith(start, V1_START)) return start.length < V1_START.length ? "partial" : parseV1(start);
  if (beginsWith(start, V2_SIGNATURE)) return start.length < V2_FIXED_BYTES ? "partial" : parseV2(start);
  return "none";
}

/** True if `start` begins with `signature`, or is its beginning. */
function beginsWith(start: Buffer, signature: Buffer): boolean {
  const bytes = Math.min(start.length, signature.length);
  return start.compare(signature, 0, bytes, 0, bytes) === 0;
}

function parseV1(start: Buffer): ProxyHeader | "partial" | "malformed" {
  const line = start.toString("latin1", 0, V1_MAX_BYTES);
  const end = line.indexOf("\n");
  if (end === -1) return start.length < V1_MAX_BYTES ? "partial" : "malformed";
  const client = line[end - 1] === "\r" ? clientOfV1(line.slice(0, end - 1)) : undefined;
  return client === undefined ? "malformed" : { bytes: end + 1, client };
}

function clientOfV1(line: string): ProxyHeader["client"] | undefined {
  if (/^PROXY UNKNOWN(?: |$)/.test(line)) return "unknown";
  const [, version, source = "", destination = "", port, serverPort] = V1_TCP.exec(line) ?? [];
  const isValid = [source, destination].every((text) => isIP(text) === Number(version));
  const address = canonicalAddress(source);
  if (!isValid || address === undefined || Math.max(Number(port), Number(serverPort)) > 0xffff) return undefined;
  return { address, port: Number(port) };
}

function parseV2(start: Buffer): ProxyHeader | "partial" | "malformed" {
  const command = start[12] as number;
  const family = start[13] as number;
  const bytes = V2_FIXED_BYTES + start.readUInt16BE(14);
  const isLocal = command === V2_LOCAL; // the rest of such a header has no meaning
  const addressBytes = isLocal ? 0 : V2_ADDRESS_BYTES[family >> 4];
  if ((!isLocal && command !== V2_PROXY) || addressBytes === undefined || bytes > V2_MAX_BYTES) return "malformed";
  const hasTransport = isLocal || (family & 0x0f) <= V2_MAX_TRANSPORT;
  if (!hasTransport || bytes < V2_FIXED_BYTES + addressBytes) return "malformed";
  if (start.length < bytes) return "partial";
  return { bytes, client: isLocal ? "proxy" : clientOfV2(start.subarray(V2_FIXED_BYTES), family) };
}

/** Returns the client of the addresses: those of the client and the server, and then their ports. */
function clientOfV2(addresses: Buffer, family: number): ProxiedClient | "unknown" {
  if (family === V2_TCP4) return { address: addresses.subarray(0, 4).join("."), port: addresses.readUInt16BE(8) };
  if (family !== V2_TCP6) return "unknown";
  const groups = Array.from({ length: 8 }, (_, i) => addresses.readUInt16BE(2 * i).toString(16));
  return { address: canonicalAddress(groups.join(":")) as string, port: addresses.readUInt16BE(32) };
}
