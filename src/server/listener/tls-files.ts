/** Reads TLS credentials from PEM files and validates them. */
import type { KeyObject, X509Certificate } from "node:crypto";
import { boundedRead } from "./bounded-read.ts";
import { needsPassphrase } from "./pem.ts";
import { secureContextOptions, type TlsCredentials } from "./tls-credentials.ts";

/** Paths of files in PEM. */
export interface TlsFiles {
  /** The server's certificate, followed by intermediate certificates. */
  readonly cert: string;
  /** The private key of the certificate, without a passphrase. */
  readonly key: string;
  /** The certificate authorities for clients, which turn mutual TLS on. Default: clients need no certificate. */
  readonly clientCa?: string | undefined;
}

/** The key types that work with the server's cipher suites. OpenSSL also loads others, such as DSA. */
const KEY_TYPES: readonly (string | undefined)[] = ["rsa", "rsa-pss", "ec", "ed25519", "ed448"];

/** An invalid file. The message names the file and its problem. */
export class TlsFileError extends Error {}

/** A file with all certificate authorities of an operating system has about a quarter of `maxBytes`. */
const READ_BOUNDS = { maxBytes: 1_048_576, ms: 5_000 };

const READ_PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: "the file does not exist",
  EACCES: "no permission to read it",
  EISDIR: "it is a directory",
  ENXIO: "it is a socket",
};

/**
 * Reads credentials and validates them. Every certificate in `cert` must be valid now. The key must belong to the first
 * certificate. At least one certificate in `clientCa`, if given, must be valid now. Rejects with TlsFileError if a check
 * fails, or if a file cannot be read within READ_BOUNDS.
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
    // One valid authority is enough, because a file may contain an expired authority and its successor.
    if (!authorities.some(isValidNow)) checkTime("client authority", files.clientCa, authorities[0]);
  }
  const credentials = { cert, key, clientCa };
  try {
    process.getBuiltinModule("node:tls").createSecureContext(secureContextOptions(credentials));
  } catch (error) {
    const { reason, message } = error as Error & { reason?: string }; // `reason` is OpenSSL's
    throw new TlsFileError(`use certificate ${files.cert} with key ${files.key}: ${reason ?? message}`);
  }
  return credentials;
}

function certificateOf(pem: string | Buffer): X509Certificate {
  const { X509Certificate } = process.getBuiltinModule("node:crypto");
  return new X509Certificate(pem);
}

/** Returns the time until which the server's certificate is valid. */
export function validUntil({ cert }: TlsCredentials): Date {
  return certificateOf(cert).validToDate;
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
  const [first, ...others] = blocks.map((block) => parse(`${what} ${path}`, "certificate", () => certificateOf(block)));
  if (first === undefined) throw new TlsFileError(`read ${what} ${path}: it has no certificate in PEM`);
  if (blocks.length < text.split("-----BEGIN CERTIFICATE-----").length - 1) {
    throw new TlsFileError(`read ${what} ${path}: a certificate in it has no end`);
  }
  return [first, ...others];
}

function isValidNow({ validFromDate, validToDate }: X509Certificate): boolean {
  const now = new Date();
  return validFromDate <= now && now <= validToDate;
}

function checkTime(what: string, path: string, certificate: X509Certificate): void {
  if (isValidNow(certificate)) return;
  const { validFromDate: from, validToDate: to } = certificate;
  const problem = from > new Date() ? `is not valid before ${from.toISOString()}` : `expired at ${to.toISOString()}`;
  throw new TlsFileError(`use ${what} ${path}: ${nameOf(certificate)} ${problem}`);
}

function privateKeyIn(path: string, text: string): KeyObject {
  if (needsPassphrase(text)) {
    throw new TlsFileError(`read key ${path}: it must be without a passphrase`);
  }
  const key = parse(`key ${path}`, "private key", () => process.getBuiltinModule("node:crypto").createPrivateKey(text));
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

/** Returns the certificate's subject, or its serial number if the subject is empty, as one quoted line. */
function nameOf({ subject, serialNumber }: X509Certificate): string {
  return JSON.stringify(subject?.replaceAll("\n", ", ") || serialNumber);
}
