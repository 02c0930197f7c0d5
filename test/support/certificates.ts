/** Creates certificates for tests, in memory only. */
import "reflect-metadata"; // required by @peculiar/x509
import { randomBytes, webcrypto } from "node:crypto";
import {
  BasicConstraintsExtension,
  type JsonGeneralName,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";

/** A certificate and its private key in PEM. */
export interface Certified {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** A distinguished name, like "CN=a, O=b". */
  readonly subject: string;
  readonly names?: readonly JsonGeneralName[];
  readonly from?: Date;
  readonly to?: Date;
}

export interface Authority extends Certified {
  issue(options: CertificateOptions): Promise<Certified>;
}

const HOUR_MS = 3_600_000;
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** Creates an authority with a self-signed certificate. */
export async function createAuthority(subject: string): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const cert = await sign({ subject }, keys.publicKey, subject, keys.privateKey, true);
  return {
    cert,
    key: await pem(keys.privateKey),
    async issue(options) {
      const { publicKey, privateKey } = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
      return { cert: await sign(options, publicKey, subject, keys.privateKey, false), key: await pem(privateKey) };
    },
  };
}

/** Creates a self-signed certificate of a server. */
export async function selfSigned(options: CertificateOptions): Promise<Certified> {
  const { publicKey, privateKey } = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const cert = await sign(options, publicKey, options.subject, privateKey, false);
  return { cert, key: await pem(privateKey) };
}

/** The names of a server on loopback. */
export const LOOPBACK: readonly JsonGeneralName[] = [
  { type: "dns", value: "localhost" },
  { type: "ip", value: "127.0.0.1" },
  { type: "ip", value: "::1" },
];

/** The authority that clients of the tests trust, and a certificate that it issued for their servers. */
export const AUTHORITY = await createAuthority("CN=the tests' authority");
export const SERVER = await AUTHORITY.issue({ subject: "CN=the tests' server", names: LOOPBACK });

async function sign(
  {
    subject,
    names = [],
    from = new Date(Date.now() - HOUR_MS),
    to = new Date(Date.now() + HOUR_MS),
  }: CertificateOptions,
  publicKey: webcrypto.CryptoKey,
  issuer: string,
  signingKey: webcrypto.CryptoKey,
  isAuthority: boolean,
): Promise<string> {
  const certificate = await X509CertificateGenerator.create({
    serialNumber: `01${randomBytes(15).toString("hex")}`,
    subject,
    issuer,
    notBefore: from,
    notAfter: to,
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey,
    extensions: [
      new BasicConstraintsExtension(isAuthority, undefined, true),
      ...(names.length > 0 ? [new SubjectAlternativeNameExtension([...names])] : []),
    ],
  });
  return `${certificate.toString("pem")}\n`;
}

async function pem(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;
}
