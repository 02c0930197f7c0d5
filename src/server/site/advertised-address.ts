/** The address under which a client on the same machine reaches the server. */
import type { AddressInfo } from "node:net";
import type { TlsCredentials } from "../listener/tls-credentials.ts";
import type { Address } from "./usage.ts";

/**
 * Returns the address for the commands that are printed when the server starts. `certFile` is the path of the server's
 * certificate. The commands name this file as the certificate authority.
 */
export function localAddress(
  { address, port }: AddressInfo,
  tls?: { readonly credentials: TlsCredentials; readonly certFile: string },
): Address {
  const host = address === "0.0.0.0" ? "127.0.0.1" : address === "::" ? "::1" : address;
  if (tls === undefined) return { scheme: "http", authority: authority(host, port) };
  const { X509Certificate } = process.getBuiltinModule("node:crypto");
  const certificate = new X509Certificate(tls.credentials.cert);
  const rest = { scheme: "https", ca: tls.certFile, mutual: tls.credentials.clientCa !== undefined } as const;
  if (certificate.checkIP(host) !== undefined) return { ...rest, authority: authority(host, port) };
  const isLoopback = host === "127.0.0.1" || host === "::1";
  if (isLoopback && certificate.checkHost("localhost")) return { ...rest, authority: authority("localhost", port) };
  const [, name] = /(?:^|, )DNS:([\w.*-]+)/.exec(certificate.subjectAltName ?? "") ?? [];
  return { ...rest, authority: authority(host, port), serverName: name?.replace(/^\*/, "www") };
}

function authority(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
