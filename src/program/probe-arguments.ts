/** Reads the arguments of the command `probe`. */
import type { SecureContext, SecureContextOptions } from "node:tls";
import { readFlags } from "../cli/flags.ts";
import { DURATION_EXAMPLES, parseDuration } from "../cli/units.ts";
import { MAX_TIMER_MS } from "../server/limits/process-clock.ts";
import type { HealthCheck, Target, TlsOptions } from "./health-check.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Invalid arguments, with a sentence for each problem. */
export class ArgumentsError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

const DURATIONS = ["connect-timeout", "rpc-timeout"];
const SWITCHES = ["tls", "tls-no-verify"];
/** The flags of files, with the option of Node for the content of each. */
const FILES = { "tls-ca-cert": "ca", "tls-client-cert": "cert", "tls-client-key": "key" } as const;
const KNOWN = ["addr", "service", "tls-server-name", ...DURATIONS, ...SWITCHES, ...Object.keys(FILES)];

const DEFAULT_TIMEOUT_MS = 1_000;
const DEFAULT_PORT = "50051";
const MAX_PORT = 65_535;

/** Returns the check that the arguments describe. Throws ArgumentsError if they are invalid. */
export function readHealthCheck(args: readonly string[], env: Env): HealthCheck {
  const flags = readFlags(args.map(asLongFlag), { known: KNOWN, switches: [], renamed: new Map() });
  const { values } = flags;
  const problems = [...flags.problems];
  const [connectTimeoutMs, rpcTimeoutMs] = DURATIONS.map((flag) => {
    const text = values.get(flag);
    const ms = text === undefined ? DEFAULT_TIMEOUT_MS : parseDuration(text);
    if (!ms)
      problems.push(`--${flag}: ${JSON.stringify(text)} must be more than 0, with a unit (${DURATION_EXAMPLES})`);
    else if (ms > MAX_TIMER_MS) problems.push(`--${flag}: ${JSON.stringify(text)} must be at most ${MAX_TIMER_MS} ms`);
    return ms ?? 0;
  }) as [number, number];
  const address = values.get("addr") ?? `127.0.0.1:${env.PORT || DEFAULT_PORT}`;
  const target = parseTarget(address);
  if (target === undefined) {
    const source = values.has("addr") ? `--addr: ${JSON.stringify(address)}` : `PORT: ${JSON.stringify(env.PORT)}`;
    problems.push(`${source} must be ${values.has("addr") ? "host:port or unix:PATH" : "a port"}`);
  }
  const tls = readTls(values, env, problems);
  if (target === undefined || problems.length > 0) throw new ArgumentsError(problems);
  const authority = tls?.servername ?? ("path" in target ? "localhost" : address);
  return { target, address, authority, service: values.get("service") ?? "", tls, connectTimeoutMs, rpcTimeoutMs };
}

/** Spells a flag with two dashes, as `-addr` of grpc_health_probe. A flag without a value gets the value "true". */
function asLongFlag(arg: string): string {
  const long = /^-[a-z][a-z-]/.test(arg) ? `-${arg}` : arg;
  return SWITCHES.some((flag) => long === `--${flag}`) ? `${long}=true` : long;
}

/** Returns undefined if the text is not an address. The host is optional, as in ":50051". */
function parseTarget(text: string): Target | undefined {
  const [, path] = /^unix:(?:\/\/)?(.+)$/.exec(text) ?? [];
  if (path !== undefined) return { path };
  const [, bracketed, plain, port] = /^(?:\[([\da-fA-F:.%]+)\]|([\w.-]*)):(\d{1,5})$/.exec(text) ?? [];
  if (Number(port ?? Number.NaN) <= MAX_PORT) return { host: (bracketed ?? plain) || "localhost", port: Number(port) };
  return undefined;
}

/** Returns undefined without TLS. Adds a sentence to `problems` for each problem. */
function readTls(values: ReadonlyMap<string, string>, env: Env, problems: string[]): TlsOptions | undefined {
  const [isTls, isUnverified] = SWITCHES.map((flag) => {
    const text = values.get(flag) ?? "false";
    if (text !== "true" && text !== "false")
      problems.push(`--${flag}: ${JSON.stringify(text)} must be true or false, or left out`);
    return text === "true";
  });
  // A server can have a certificate for other names than the address that this process reaches it by.
  const isOwn = !values.has("addr") && !values.has("tls") && Boolean(env.TLS_CERT);
  if (!isTls && !isOwn) {
    const lonely = [...values.keys()].filter((flag) => flag.startsWith("tls-"));
    problems.push(...lonely.map((flag) => `--${flag}: must be given with --tls`));
    return undefined;
  }
  if (values.has("tls-client-cert") !== values.has("tls-client-key"))
    problems.push("--tls-client-cert and --tls-client-key: must be given together");
  for (const flag of ["tls-ca-cert", "tls-server-name"])
    if (isUnverified && values.has(flag)) problems.push(`--${flag}: has no effect with --tls-no-verify`);
  const serverName = values.get("tls-server-name");
  const secureContext = readFiles(values, problems);
  return (
    secureContext && {
      secureContext,
      rejectUnauthorized: !(isUnverified || (isOwn && !values.has("tls-ca-cert"))),
      ...(serverName !== undefined && { servername: serverName }),
    }
  );
}

/** Reads the PEM files. Returns undefined with a sentence added to `problems` if one cannot be read or is not valid. */
function readFiles(values: ReadonlyMap<string, string>, problems: string[]): SecureContext | undefined {
  const options: SecureContextOptions = {};
  const paths = Object.keys(FILES).flatMap((flag) => values.get(flag) ?? []);
  try {
    for (const [flag, name] of Object.entries(FILES)) {
      const path = values.get(flag);
      if (path !== undefined) options[name] = process.getBuiltinModule("node:fs").readFileSync(path);
    }
    // Without this, Node ignores a file without a certificate.
    if (options.ca !== undefined) new (process.getBuiltinModule("node:crypto").X509Certificate)(options.ca as Buffer);
    return process.getBuiltinModule("node:tls").createSecureContext(options);
  } catch (error) {
    const { reason, message } = error as Error & { readonly reason?: string };
    problems.push(`read ${paths.join(", ")}: ${reason ?? message}`);
    return undefined;
  }
}
