/** Certificates and keys in files: what TLS credentials are read from, and what may be wrong with them. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { boundedRead } from "./bounded-read.ts";
import { needsPassphrase } from "./pem.ts";
import { secureContextOptions, type TlsCredentials } from "./tls-credentials.ts";

/** Paths of files in PEM. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly clientCa?: string | undefined;
}

/** Of the kinds of keys that OpenSSL knows, those that our cipher suites sign with. */
const KEY_TYPES: readonly (string | undefined)[] = ["rsa", "rsa-pss", "ec", "ed25519", "ed448"];

/** A sentence that names the file and what is wrong with it. */
export class TlsFileError extends Error {}

/** The file with all authorities of an operating system is a quarter of this size. */
const READ_BOUNDS = { maxBytes: 1_048_576, ms: 5_000 };

const READ_PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: "the file does not exist",
  EACCES: "no permission to read it",
  EISDIR: "it is a directory",
  ENXIO: "it is a socket",
};

/**
 * Reads credentials and checks that they can serve: that each certificate is valid now, and that the key belongs to the
 * first. Rejects with TlsFileError, at the latest after the time for reading.
 */
export async function readTlsFiles(files: TlsFiles): Promise<TlsCredentials> {
  const [cert, key, clientCa] = await Promise.all([
    read("certificate", files.cert),
    read("key", files.key),
    files.clientCa === undefined ? undefined : read("client authority", files.clientCa),
  ]);
  const chain = certificatesIn("certificate", files.cert, cert);
  for (const each of chain) checkTime("certificate", files.cert, each);
  if (!chain[0].checkPrivateKey(privateKeyIn(files.key, key))) {
    throw new TlsFileError(`use key ${files.key}: it does not belong to the first certificate in ${files.cert}`);
  }
  if (files.clientCa !== undefined) {
    const authorities = certificatesIn("client authority", files.clientCa, clientCa ?? "");
    // An expired authority may stand beside its successor.
    if (!authorities.some(isTimely)) checkTime("client authority", files.clientCa, authorities[0]);
  }
  const credentials = { cert, key, clientCa };
  try {
    createSecureContext(secureContextOptions(credentials));
  } catch (error) {
    const { reason, message } = error as Error & { reason?: string }; // OpenSSL's
    throw new TlsFileError(`use certificate ${files.cert} with key ${files.key}: ${reason ?? message}`);
  }
  return credentials;
}

/** Returns the time until which the certificate is valid. */
export function validUntil({ cert }: TlsCredentials): Date {
  return new X509Certificate(cert).validToDate;
}

async function read(what: string, path: string): Promise<string> {
  try {
    return (await boundedRead(path, READ_BOUNDS)).toString();
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    throw new TlsFileError(`read ${what} ${path}: ${READ_PROBLEMS[code] ?? message}`);
  }
}

function certificatesIn(what: string, path: string, text: string): [X509Certificate, ...X509Certificate[]] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs) ?? [];
  const [first, ...others] = blocks.map((block) =>
    parse(`${what} ${path}`, "certificate", () => new X509Certificate(block)),
  );
  if (first === undefined) throw new TlsFileError(`read ${what} ${path}: it has no certificate in PEM`);
  if (blocks.length < text.split("-----BEGIN CERTIFICATE-----").length - 1) {
    throw new TlsFileError(`read ${what} ${path}: a certificate in it has no end`);
  }
  return [first, ...others];
}

function isTimely({ validFromDate, validToDate }: X509Certificate): boolean {
  const now = new Date();
  return validFromDate <= now && now <= validToDate;
}

function checkTime(what: string, path: string, certificate: X509Certificate): void {
  if (isTimely(certificate)) return;
  const { validFromDate: from, validToDate: to } = certificate;
  const problem = from > new Date() ? `is not valid before ${from.toISOString()}` : `expired at ${to.toISOString()}`;
  throw new TlsFileError(`use ${what} ${path}: ${nameOf(certificate)} ${problem}`);
}

function privateKeyIn(path: string, text: string): KeyObject {
  if (needsPassphrase(text)) {
    throw new TlsFileError(`read key ${path}: it must be without a passphrase`);
  }
  const key = parse(`key ${path}`, "private key", () => createPrivateKey(text));
  if (KEY_TYPES.includes(key.asymmetricKeyType)) return key;
  throw new TlsFileError(
    `use key ${path}: it is of ${key.asymmetricKeyType}, and must be of RSA, an elliptic curve or EdDSA`,
  );
}

function parse<T>(what: string, wanted: string, parser: () => T): T {
  try {
    return parser();
  } catch {
    throw new TlsFileError(`read ${what}: it has no ${wanted} in PEM`);
  }
}

/** A certificate by its subject, on one line. */
function nameOf({ subject, serialNumber }: X509Certificate): string {
  return JSON.stringify(subject?.replaceAll("\n", ", ") || serialNumber);
}
