/** The settings of the process: arguments and environment in; one frozen value, or every bad setting in one message. */
import { readFlags } from "./flags.ts";
import type { DrainTimes } from "./server/drain.ts";
import { LIMIT_NAMES, LIMITS, type LimitName, type Limits } from "./server/limits.ts";

export interface Config extends DrainTimes {
  readonly host: string;
  readonly port: number;
  /** Paths of files in PEM. A key comes with its certificate, an authority of clients with both. */
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly tlsClientCa: string | undefined;
  /** Origins like "https://example.com", or "*". */
  readonly corsOrigins: readonly string[];
  /** Our own HTTP/2, or node:http2. */
  readonly http2: "own" | "node";
  /** Whether browsers get a page at "/". */
  readonly page: boolean;
  readonly limits: Limits;
}

/** A message that names every bad setting, the value given and what is allowed. */
export class ConfigError extends Error {}

interface Setting<T> {
  readonly flag: string;
  readonly env: string;
  /** Undefined where it is not set unless it is given. */
  readonly default: string | undefined;
  readonly help: string;
  /** What is allowed, to stand after "must be". */
  readonly allowed: string;
  /** The value, or undefined where the text is not allowed. */
  readonly parse: (text: string) => T | undefined;
}

/** What Node's timers and HTTP/2's settings can take. */
const MAX_NUMBER = 2 ** 31 - 1;

const MS = {
  allowed: `a whole number of ms from 0 to ${MAX_NUMBER}`,
  parse: (text: string) => (/^\d{1,10}$/.test(text) && Number(text) <= MAX_NUMBER ? Number(text) : undefined),
};

const SETTINGS: { readonly [K in keyof Omit<Config, "limits">]: Setting<Config[K]> } = {
  host: {
    flag: "host",
    env: "HOST",
    default: "127.0.0.1",
    help: "address or name to listen on; 0.0.0.0 or :: is every address",
    allowed: "an IP address or a host name",
    parse: parseHost,
  },
  port: {
    flag: "port",
    env: "PORT",
    default: "50051",
    help: "port to listen on; 0 picks a free one",
    allowed: "a whole number from 0 to 65535",
    parse: (text) => (/^\d{1,5}$/.test(text) && Number(text) <= 65535 ? Number(text) : undefined),
  },
  tlsCert: {
    flag: "tls-cert",
    env: "TLS_CERT",
    default: undefined,
    help: "file of the certificate, in PEM, which turns TLS on; SIGHUP to node, not npm, loads it and the next two anew",
    allowed: "the path of a file",
    parse: parsePath,
  },
  tlsKey: {
    flag: "tls-key",
    env: "TLS_KEY",
    default: undefined,
    help: "file of the certificate's private key, in PEM",
    allowed: "the path of a file",
    parse: parsePath,
  },
  tlsClientCa: {
    flag: "tls-client-ca",
    env: "TLS_CLIENT_CA",
    default: undefined,
    help: "file of authorities, in PEM: a client without a certificate of theirs is refused",
    allowed: "the path of a file",
    parse: parsePath,
  },
  corsOrigins: {
    flag: "cors-origins",
    env: "CORS_ORIGINS",
    default: "",
    help: "origins whose pages may call, separated by commas; * is every origin",
    allowed: "origins like https://example.com separated by commas, or *",
    parse: parseOrigins,
  },
  http2: {
    flag: "http2",
    env: "HTTP2",
    default: "own",
    help: "own, or node for node:http2, which bounds its peers less",
    allowed: "own or node",
    parse: (text) => (text === "own" || text === "node" ? text : undefined),
  },
  page: {
    flag: "page",
    env: "PAGE",
    default: "on",
    help: "on, or off for no page to browsers; --no-page is off",
    allowed: "on or off",
    parse: (text) => (text === "on" || text === "off" ? text === "on" : undefined),
  },
  delayMs: {
    flag: "drain-delay-ms",
    env: "DRAIN_DELAY_MS",
    default: "0",
    help: "after SIGTERM or SIGINT, ms in which connections are still taken, while health says not serving",
    ...MS,
  },
  idleMs: {
    flag: "drain-idle-ms",
    env: "DRAIN_IDLE_MS",
    default: "1000",
    help: "after that, ms in which connections without a call may bring one that is on its way",
    ...MS,
  },
  graceMs: {
    flag: "grace-ms",
    env: "GRACE_MS",
    default: "10000",
    help: "from then on, ms in which calls under way may end",
    ...MS,
  },
  abortMs: {
    flag: "abort-ms",
    env: "ABORT_MS",
    default: "1000",
    help: "of these, the last ms, in which handlers are told to stop and streams are ended",
    ...MS,
  },
};

type Key = keyof typeof SETTINGS;
const KEYS = Object.keys(SETTINGS) as Key[];

/** The setting of a limit: its name in a flag's spelling, and in a variable's. */
function limitSetting(name: LimitName): Setting<number> & { readonly default: string } {
  const { default: value, unit, bounds } = LIMITS[name];
  const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return {
    flag,
    env: flag.toUpperCase().replaceAll("-", "_"),
    default: String(value),
    help: `${unit}: ${bounds}`,
    allowed: `a whole number of ${unit} from 1 to ${MAX_NUMBER}, or off`,
    parse(text) {
      if (text === "off") return unit === "bytes/s" ? 0 : Number.POSITIVE_INFINITY;
      return /^\d{1,10}$/.test(text) && Number(text) >= 1 && Number(text) <= MAX_NUMBER ? Number(text) : undefined;
    },
  };
}

/** The setting of each limit, in the order of the table. */
export const LIMIT_SETTINGS = LIMIT_NAMES.map((name) => ({ name, ...limitSetting(name) }));

/** What --help prints. */
export const HELP = `usage: npm start -- [flags]

Each flag may also be set in the environment; the flag wins.

${KEYS.map((key) => describe(SETTINGS[key])).join("\n")}
  --help           print this

Limits of what a peer may cost; off turns one off. docs/limits.md says what happens over each, and why it is what it is.

${LIMIT_SETTINGS.map(describeLimit).join("\n")}
`;

/** Reads the settings, or undefined where help is asked for. Throws ConfigError. */
export function readConfig(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Config | undefined {
  const known = [...KEYS.map((key) => SETTINGS[key]), ...LIMIT_SETTINGS].map(({ flag }) => flag);
  const given = readFlags(args, known, [SETTINGS.page.flag]);
  if (given.help) return undefined;
  const problems = [...given.problems];

  function read<T>(setting: Setting<T>): T | undefined {
    const { flag, env: variable, default: fallback, parse, allowed } = setting;
    const fromEnv = env[variable] === "" ? undefined : env[variable]; // empty is how a shell says unset
    const text = given.values.get(flag) ?? fromEnv ?? fallback;
    if (text === undefined) return undefined;
    const value = parse(text);
    const source = given.values.has(flag) ? `--${flag}` : variable;
    if (value === undefined) problems.push(`${source}: ${JSON.stringify(text)} must be ${allowed}`);
    return value;
  }

  const config = Object.fromEntries(KEYS.map((key) => [key, read<unknown>(SETTINGS[key])])) as unknown as Config;
  const limits = Object.fromEntries(LIMIT_SETTINGS.map((setting) => [setting.name, read(setting)]));
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

function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.origin === text;
}

/** An empty flag is what a shell makes of a variable that is not set, and no wish to be without TLS. */
function parsePath(text: string): string | undefined {
  return text === "" || text.includes("\0") ? undefined : text;
}

function describe({ flag, env, default: fallback, help }: Setting<unknown>): string {
  return `  --${flag.padEnd(14)} ${help} (${env}; default ${fallback || "none"})`;
}

function describeLimit({ flag, default: fallback, help }: (typeof LIMIT_SETTINGS)[number]): string {
  return `  --${flag.padEnd(33)} ${fallback.padStart(9)} ${help}`;
}
