/** The settings of the process: arguments and environment in; one frozen value, or every bad setting in one message. */
import { readFlags } from "./cli/flags.ts";
import { LIMIT_SETTINGS, RENAMED_FLAGS, renamedVariables } from "./cli/limit-settings.ts";
import { flagsTakenByNpm } from "./cli/npm-flags.ts";
import type { Setting } from "./cli/setting.ts";
import { DURATION_EXAMPLES, parseDuration } from "./cli/units.ts";
import { ALLOWED_HOST, allowedHost } from "./server/http/host-check.ts";
import type { Limits } from "./server/limits/limits.ts";
import { defaultLimits } from "./server/limits/memory.ts";
import { MAX_TIMER_MS } from "./server/limits/process-clock.ts";
import { RENAMED_HTTP2, renamed } from "./server/limits/renames.ts";
import { DEFAULT_DELAY_MS, type DrainTimes } from "./server/shutdown.ts";

export interface Config extends Omit<DrainTimes, "delayMs"> {
  /** Undefined follows the address that the server listens on. */
  readonly delayMs: number | undefined;
  readonly host: string;
  readonly port: number;
  /** Paths of files in PEM. A key comes with its certificate, an authority of clients with both. */
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly tlsClientCa: string | undefined;
  /** Origins like "https://example.com", or "*". */
  readonly corsOrigins: readonly string[];
  /** Hosts that browsers may name; undefined follows the address that the server listens on. */
  readonly allowedHosts: readonly string[] | undefined;
  /** The HTTP/2 implementation: this server's, or node:http2. */
  readonly http2: "built-in" | "node";
  /** Whether browsers get a page at "/". */
  readonly page: boolean;
  /** True if gRPC's reflection is served. */
  readonly reflection: boolean;
  readonly limits: Limits;
}

/** A message that names every bad setting, the value given and what is allowed. */
export class ConfigError extends Error {}

/** A time during shutdown, which may be 0. */
const DURATION = {
  takes: "DURATION",
  allowed: `a whole number of ms from 0 to ${MAX_TIMER_MS} or with a unit (${DURATION_EXAMPLES})`,
  parse(text: string) {
    const ms = parseDuration(text);
    return ms !== undefined && ms <= MAX_TIMER_MS ? ms : undefined;
  },
};

/** The settings besides the limits, in the order of `--help`. */
export const SETTINGS: { readonly [K in keyof Omit<Config, "limits">]: Setting<Config[K]> } = {
  host: {
    flag: "host",
    env: "HOST",
    takes: "HOST",
    default: "127.0.0.1",
    help: "address or name to listen on; 0.0.0.0 or :: for every address",
    allowed: "an IP address or a host name",
    parse: parseHost,
  },
  port: {
    flag: "port",
    env: "PORT",
    takes: "PORT",
    default: "50051",
    help: "port to listen on; 0 picks a free one",
    allowed: "a whole number from 0 to 65535",
    parse: (text) => (/^\d{1,5}$/.test(text) && Number(text) <= 65535 ? Number(text) : undefined),
  },
  tlsCert: {
    flag: "tls-cert",
    env: "TLS_CERT",
    takes: "FILE",
    default: undefined,
    help: "certificate file in PEM; turns TLS on. SIGHUP to the node process, not to npm, reloads all three files",
    allowed: "the path of a file",
    parse: parsePath,
  },
  tlsKey: {
    flag: "tls-key",
    env: "TLS_KEY",
    takes: "FILE",
    default: undefined,
    help: "file of the certificate's private key in PEM, without a passphrase",
    allowed: "the path of a file",
    parse: parsePath,
  },
  tlsClientCa: {
    flag: "tls-client-ca",
    env: "TLS_CLIENT_CA",
    takes: "FILE",
    default: undefined,
    help: "file of certificate authorities in PEM; turns mutual TLS on: clients need a certificate signed by one of them",
    allowed: "the path of a file",
    parse: parsePath,
  },
  corsOrigins: {
    flag: "cors-origins",
    env: "CORS_ORIGINS",
    takes: "ORIGINS",
    default: "",
    help: "origins whose pages may call, separated by commas; * for every origin",
    allowed: "origins like https://example.com separated by commas, or *",
    parse: parseOrigins,
  },
  allowedHosts: {
    flag: "allowed-hosts",
    env: "ALLOWED_HOSTS",
    takes: "HOSTS",
    default: undefined,
    help: "host names that browsers may use to get here besides localhost, separated by commas; .example.com for all names of a domain, * for every host. Without it: only loopback names when listening on loopback, otherwise every host",
    allowed: `hosts separated by commas, each ${ALLOWED_HOST}`,
    parse: parseHosts,
  },
  http2: {
    flag: "http2",
    env: "HTTP2",
    takes: "built-in|node",
    default: "built-in",
    help: "HTTP/2 implementation: built-in is this server's; node is node:http2, which enforces fewer limits",
    allowed: "built-in or node",
    renamedValues: RENAMED_HTTP2,
    parse: (text) => (text === "built-in" || text === "node" ? text : undefined),
  },
  page: {
    flag: "page",
    env: "PAGE",
    takes: "on|off",
    default: "on",
    help: "serve the page to browsers at /; --no-page turns it off",
    allowed: "on or off",
    parse: (text) => (text === "on" || text === "off" ? text === "on" : undefined),
  },
  reflection: {
    flag: "reflection",
    env: "REFLECTION",
    takes: "on|off",
    default: "on",
    help: "serve gRPC's reflection, from which grpcurl and buf curl get the schema; --no-reflection turns it off",
    allowed: "on or off",
    parse: (text) => (text === "on" || text === "off" ? text === "on" : undefined),
  },
  delayMs: {
    flag: "drain-delay-ms",
    env: "DRAIN_DELAY_MS",
    default: undefined,
    help: `time after SIGTERM or SIGINT during which new connections are still accepted and health reports NOT_SERVING, so that load balancers see it. Without it: 0 when listening on loopback, otherwise ${DEFAULT_DELAY_MS / 1_000}s`,
    ...DURATION,
  },
  idleMs: {
    flag: "drain-idle-ms",
    env: "DRAIN_IDLE_MS",
    default: "1s",
    help: "time after the delay during which a connection without a call may still bring one that is on its way",
    ...DURATION,
  },
  graceMs: {
    flag: "grace-ms",
    env: "GRACE_MS",
    default: "10s",
    help: "time after the delay for calls in flight to finish",
    ...DURATION,
  },
  abortMs: {
    flag: "abort-ms",
    env: "ABORT_MS",
    default: "1s",
    help: "last part of that time, at whose start handlers are told to stop and streams are ended",
    ...DURATION,
  },
};

type Key = keyof typeof SETTINGS;
const KEYS = Object.keys(SETTINGS) as Key[];

/** Reads the settings. Throws ConfigError. */
export function readConfig(args: readonly string[], env: Readonly<Record<string, string | undefined>>): Config {
  const settings: readonly Setting<unknown>[] = [...KEYS.map((key) => SETTINGS[key]), ...LIMIT_SETTINGS];
  const taken = flagsTakenByNpm(["start", "dev"], settings, env);
  if (taken !== undefined) throw new ConfigError(taken);
  const known = settings.map(({ flag }) => flag);
  const switches = [SETTINGS.page.flag, SETTINGS.reflection.flag];
  const given = readFlags(args, { known, switches, renamed: RENAMED_FLAGS });
  const problems = [...given.problems, ...renamedVariables(env)];

  function read<T>(setting: Setting<T>): T | undefined {
    const { flag, env: variable, default: fallback, parse, allowed } = setting;
    const fromEnv = env[variable] === "" ? undefined : env[variable]; // empty is how a shell says unset
    const text = given.values.get(flag) ?? fromEnv ?? fallback;
    if (text === undefined) return undefined;
    const value = parse(text);
    const source = given.values.has(flag) ? `--${flag}` : variable;
    const newText = renamed(setting.renamedValues ?? {}, text);
    if (newText !== undefined) problems.push(`${source}: ${JSON.stringify(text)} was renamed to "${newText}"`);
    else if (value === undefined) problems.push(`${source}: ${JSON.stringify(text)} must be ${allowed}`);
    return value;
  }

  const config = Object.fromEntries(KEYS.map((key) => [key, read<unknown>(SETTINGS[key])])) as unknown as Config;
  const defaults = defaultLimits();
  const limits = Object.fromEntries(
    LIMIT_SETTINGS.map((setting) => [setting.name, read({ ...setting, default: undefined }) ?? defaults[setting.name]]),
  );
  const { tlsCert, tlsKey, tlsClientCa } = config;
  if (tlsCert === undefined && (tlsKey ?? tlsClientCa) !== undefined) {
    problems.push(`--tls-cert: must be given with ${tlsKey === undefined ? "--tls-client-ca" : "--tls-key"}`);
  } else if (tlsCert !== undefined && tlsKey === undefined) problems.push("--tls-key: must be given with --tls-cert");
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
  return Object.freeze({ ...config, limits: Object.freeze(limits as unknown as Limits) });
}

/** An address of IPv6 may be in brackets, as in a URL. */
function parseHost(text: string): string | undefined {
  const [, bare = text] = /^\[(.*:.*)\]$/.exec(text) ?? [];
  return /^[\w.:%-]+$/.test(bare) ? bare : undefined;
}

/** Undefined where one of them is no origin, as a browser sends it: scheme, host and port, in lower case, no path. */
function parseOrigins(text: string): string[] | undefined {
  const origins = text.split(",").map((origin) => origin.trim());
  if (text.trim() === "") return [];
  const valid = origins.every((origin) => origin === "*" || isOrigin(origin));
  return valid ? origins : undefined;
}

/** Returns undefined if one of them is not a host. */
function parseHosts(text: string): string[] | undefined {
  const hosts = text.split(",").map((host) => host.trim());
  if (text.trim() === "") return [];
  return hosts.every((host) => allowedHost(host) !== undefined) ? hosts : undefined;
}

function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.origin === text;
}

/** An empty flag is what a shell makes of a variable that is not set, and no wish to be without TLS. */
function parsePath(text: string): string | undefined {
  return text === "" || text.includes("\0") ? undefined : text;
}
