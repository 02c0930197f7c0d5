/** Checks text in PEM (RFC 7468) before it is parsed. */

/** True if the text contains a private key that needs a passphrase (RFC 5958, or OpenSSL's older format). */
export function needsPassphrase(pem: string): boolean {
  return /^-----BEGIN ENCRYPTED|^Proc-Type:.*ENCRYPTED/m.test(pem);
}
