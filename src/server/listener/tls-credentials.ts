/** The certificate and key of a TLS server, and the TLS options that follow from them. */
import { constants } from "node:crypto";
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
  return {
    cert,
    key,
    ...(clientCa !== undefined && { ca: clientCa }),
    minVersion: "TLSv1.2",
    ciphers: CIPHERS,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION, // RFC 9113, 9.2.1
  };
}
