/** Reads the client's TLS settings: trusted authorities, and a client certificate with its key. */
import { readFileSync } from "node:fs";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { needsPassphrase } from "../server/listener/pem.ts";
import { UsageError } from "./usage-error.ts";

/** The PEM files that `--ca`, `--cert` and `--key` name. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/**
 * Returns the contents of the files, for a connection to `url`; an empty object means Node's defaults. Throws UsageError
 * if a file is invalid, or if the flags do not fit each other or the URL.
 */
export function readTls(url: string, { ca, cert, key }: TlsFiles): SecureContextOptions {
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError(cert === undefined ? "--key: must come with --cert" : "--cert: must come with --key");
  }
  const given = ca !== undefined ? "--ca" : cert !== undefined ? "--cert" : undefined;
  if (given !== undefined && new URL(url).protocol !== "https:")
    throw new UsageError(`${given}: needs a URL that begins with https://`);
  const tls = {
    ...(ca !== undefined && { ca: readPem("--ca", ca, "CERTIFICATE") }),
    ...(cert !== undefined && { cert: readPem("--cert", cert, "CERTIFICATE") }),
    ...(key !== undefined && { key: readPem("--key", key, "PRIVATE KEY") }),
  };
  try {
    createSecureContext(tls);
  } catch (error) {
    const { reason, message } = error as Error & { reason?: string }; // `reason` is OpenSSL's
    const files = Object.entries({ ca, cert, key }).filter(([, file]) => file !== undefined);
    throw new UsageError(`use ${files.map(([name, file]) => `--${name} ${file}`).join(", ")}: ${reason ?? message}`);
  }
  return tls;
}

function readPem(flag: string, file: string, label: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`${flag} ${JSON.stringify(file)}: cannot be read (${code})`);
  }
  if (needsPassphrase(text)) {
    throw new UsageError(`${flag} ${JSON.stringify(file)}: must be without a passphrase`);
  }
  if (new RegExp(`^-----BEGIN [A-Z ]*${label}-----`, "m").test(text)) return text;
  throw new UsageError(`${flag} ${JSON.stringify(file)}: has no ${label.toLowerCase()} in PEM`);
}
