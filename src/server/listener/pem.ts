/** What a text in PEM (RFC 7468) is, before anything parses it. */

/** Whether a private key in it is of use only with a passphrase (RFC 5958, and OpenSSL's older form). */
export function needsPassphrase(pem: string): boolean {
  return /^-----BEGIN ENCRYPTED|^Proc-Type:.*ENCRYPTED/m.test(pem);
}
