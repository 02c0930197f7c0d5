/** The certificate and key of a TLS server, and the TLS options that follow from them. */
import type { SecureContextOptions } from "node:tls";

/** The certificate and key of a server, and the authorities of its clients. */
export interface TlsCredentials {
  /** The server's certificate in PEM, followed by the intermediate certificates that link it to a certificate authority. */
  readonly cert: string | Buffer;
  /** The private key of the certificate, in PEM, without a passphrase. */
  readonly key: string | Buffer;
  /**
   * The certificate authorities for clients, in PEM. Turns mutual TLS on: the handshake fails unless the client has a
   * certificate signed by one of these authorities. Default: clients need no certificate.
   */
  readonly clientCa?: string | Buffer | undefined;
}

/** The fields of credentials, each with the label of its blocks in PEM (RFC 7468). */
const LABELS: { readonly [K in keyof TlsCredentials]-?: string } = {
  cert: "CERTIFICATE",
  key: "PRIVATE KEY",
  clientCa: "CERTIFICATE",
};

/**
 * Throws TypeError if a field is unknown, or is not in PEM. Node would ignore the options of its own servers, such as
 * `requestCert`, and would replace an empty `clientCa` by its list of public authorities. The message begins with `subject`, and
 * has no value, because the key is a secret.
 */
export function validateCredentials(subject: string, credentials: TlsCredentials): void {
  if (typeof credentials !== "object" || credentials === null)
    throw new TypeError(`${subject}: must be an object with cert and key in PEM`);
  const fields = Object.keys(LABELS).join(", ");
  for (const field in credentials)
    if (!Object.hasOwn(LABELS, field))
      throw new TypeError(`${subject}: unknown field ${field}; the fields are ${fields}`);
  for (const [field, label] of Object.entries(LABELS)) {
    const value: unknown = credentials[field as keyof TlsCredentials];
    const isLeftOut = value === undefined && field === "clientCa";
    if (!isLeftOut && !isPem(value, label))
      throw new TypeError(`${subject}: ${field} must be a ${label.toLowerCase()} in PEM, as text or bytes`);
  }
}

function isPem(value: unknown, label: string): boolean {
  if (typeof value !== "string" && !(value instanceof Uint8Array)) return false;
  const text = typeof value === "string" ? value : Buffer.from(value).toString("latin1");
  if (!new RegExp(`-----BEGIN [A-Z0-9 ]*${label}-----`).test(text)) return false;
  try {
    const { X509Certificate } = process.getBuiltinModule("node:crypto");
    return label !== "CERTIFICATE" || new X509Certificate(text).raw.length > 0;
  } catch {
    return false;
  }
}

/** Returns the time at which a certificate ends, the first one of `cert`, in seconds since 1970. */
export function certificateEndsAt({ cert }: TlsCredentials): number {
  const { X509Certificate } = process.getBuiltinModule("node:crypto");
  return Date.parse(new X509Certificate(cert).validTo) / 1_000;
}

/**
 * The cipher suites of TLS 1.3, and those of TLS 1.2 in Mozilla's "intermediate" profile that need no DH parameters
 * (wiki.mozilla.org/Security/Server_Side_TLS). All have ephemeral keys and AEAD, so HTTP/2 prohibits none of them (RFC
 * 9113, appendix A).
 */
const CIPHERS = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/**
 * Returns the TLS options of new connections. The options must be complete, because Node's setSecureContext resets
 * each option that is left out.
 */
export function secureContextOptions({ cert, key, clientCa }: TlsCredentials): SecureContextOptions {
  const { constants } = process.getBuiltinModule("node:crypto");
  return {
    cert,
    key,
    ...(clientCa !== undefined && { ca: clientCa }),
    minVersion: "TLSv1.2",
    ciphers: CIPHERS,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION, // RFC 9113, 9.2.1
  };
}
