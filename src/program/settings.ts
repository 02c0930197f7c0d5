/** The settings of the process besides the limits: their types, flags, variables, defaults and parsers. */
import type { Setting } from "../cli/setting.ts";
import { DURATION_EXAMPLES, parseDuration } from "../cli/units.ts";
import { ALLOWED_HOST } from "../server/http/host-check.ts";
import type { Limits } from "../server/limits/limits.ts";
import { MAX_TIMER_MS } from "../server/limits/process-clock.ts";
import { RENAMES } from "../server/limits/renamed-options.ts";
import { TRUSTED_PROXY } from "../server/listener/trusted-proxies.ts";
import type { Reflection } from "../server/services/reflection.ts";
import { DEFAULT_DELAY_MS, type ShutdownTimes } from "../server/shutdown.ts";
import type { PageSetting } from "./page.ts";
import {
  MAX_WORKERS,
  parseHost,
  parseHosts,
  parseOrigins,
  parsePath,
  parsePort,
  parseProxies,
  parseSwitch,
  parseWorkers,
} from "./parsers.ts";
import type { LogFormat } from "./process-log.ts";
import { TELEMETRY_SETTINGS, type TelemetryConfig } from "./telemetry-settings.ts";

export interface Config extends Omit<ShutdownTimes, "delayMs">, TelemetryConfig {
  /** If undefined, the delay depends on the address that the server listens on. */
  readonly delayMs: number | undefined;
  readonly host: string;
  readonly port: number;
  /** The number of processes that serve. With more than one, this process is their primary, or one of them. */
  readonly workers: number;
  /** Paths of PEM files. A certificate needs its key, and a client CA needs both. */
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly tlsClientCa: string | undefined;
  /** Origins of pages that may call the server, like "https://example.com". The origin "*" stands for all. */
  readonly corsOrigins: readonly string[];
  /** Hosts under which browsers may reach the server, besides localhost. If undefined, the listening address decides. */
  readonly allowedHosts: readonly string[] | undefined;
  /** Proxies that may say who the client is: addresses, networks and words for them. */
  readonly trustedProxies: readonly string[];
  /** The HTTP/2 implementation: this server's own or node:http2. */
  readonly http2: "built-in" | "node";
  /** The addresses on which browsers get a page at "/". */
  readonly page: PageSetting;
  /**
   * True if the text at "/" is served, which lists the services and commands to call them. If undefined, it is served unless
   * the program has a fallback.
   */
  readonly homePage: boolean | undefined;
  /** True if health is served, over gRPC and at /healthz. */
  readonly health: boolean;
  /** The versions of gRPC reflection that are served: both for true, none for false. */
  readonly reflection: Reflection;
  readonly logFormat: LogFormat;
  readonly limits: Limits;
}

/** The fields that the settings of shutdown times have in common. A shutdown time may be 0, but not off. */
const SHUTDOWN_TIME = {
  takes: "DURATION",
  allowed: `a whole number of ms from 0 to ${MAX_TIMER_MS} or with a unit (${DURATION_EXAMPLES})`,
  parse(text: string) {
    const ms = parseDuration(text);
    return ms !== undefined && ms <= MAX_TIMER_MS ? ms : undefined;
  },
};

/** The flags that `--no-NAME` turns off. */
export const SWITCHES = ["page", "home-page", "health", "reflection"];

/** The settings besides the limits, in the order of `--help`. */
export const SETTINGS: { readonly [K in keyof Omit<Config, "limits">]: Setting<Config[K]> } = {
  host: {
    flag: "host",
    env: "HOST",
    takes: "HOST",
    default: "127.0.0.1",
    help: "address or name to listen on; 0.0.0.0 or :: for all addresses",
    allowed: "an IP address or a host name",
    parse: parseHost,
  },
  port: {
    flag: "port",
    env: "PORT",
    takes: "PORT",
    default: "50051",
    help: "port to listen on; 0 picks a free one. If systemd passes sockets on, --host and --port are not used",
    allowed: "a whole number from 0 to 65535",
    parse: parsePort,
  },
  workers: {
    flag: "workers",
    env: "WORKERS",
    takes: "NUMBER|auto",
    default: "1",
    help: "processes that serve together, each on one core; auto for one per core. Limits on all connections together are divided among them. In Kubernetes, use more pods instead",
    allowed: `a whole number from 1 to ${MAX_WORKERS}, or auto`,
    parse: parseWorkers,
  },
  tlsCert: {
    flag: "tls-cert",
    env: "TLS_CERT",
    takes: "FILE",
    default: undefined,
    help: "certificate file in PEM; turns TLS on. Send SIGHUP to the node process, not to npm, to reload all three files",
    allowed: "the path of a file",
    parse: parsePath,
  },
  tlsKey: {
    flag: "tls-key",
    env: "TLS_KEY",
    takes: "FILE",
    default: undefined,
    help: "file with the certificate's private key in PEM, without a passphrase",
    allowed: "the path of a file",
    parse: parsePath,
  },
  tlsClientCa: {
    flag: "tls-client-ca",
    env: "TLS_CLIENT_CA",
    takes: "FILE",
    default: undefined,
    help: "file with certificate authorities in PEM; turns mutual TLS on: clients need a certificate signed by one of them",
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
    help: "hosts under which browsers may reach this server besides localhost, separated by commas; .example.com for a domain and all names below it, * for every host. Without this flag: only loopback names when listening on loopback, otherwise every host",
    allowed: `hosts separated by commas, each ${ALLOWED_HOST}`,
    parse: parseHosts,
  },
  trustedProxies: {
    flag: "trusted-proxies",
    env: "TRUSTED_PROXIES",
    takes: "PROXIES",
    default: "",
    help: "proxies that may say who the client is, by the PROXY protocol or X-Forwarded-For, separated by commas: IP addresses, networks like 10.0.0.0/8, loopback, private (private and link-local networks) and unix (Unix domain sockets)",
    allowed: `proxies separated by commas, each ${TRUSTED_PROXY}`,
    parse: parseProxies,
  },
  http2: {
    flag: "http2",
    env: "HTTP2",
    takes: "built-in|node",
    default: "built-in",
    help: "HTTP/2 implementation: built-in is this server's own; node is node:http2, which enforces fewer limits",
    allowed: "built-in or node",
    renamedValues: RENAMES.http2,
    parse: (text) => (text === "built-in" || text === "node" ? text : undefined),
  },
  page: {
    flag: "page",
    env: "PAGE",
    takes: "on|off|loopback",
    default: "loopback",
    help: "serve the page to browsers at /. loopback serves it only when listening on loopback. The page shows the schema, and makes calls with the credentials of the browser; --no-page turns it off",
    allowed: "on, off or loopback",
    parse: (text) => (text === "on" || text === "off" || text === "loopback" ? text : undefined),
  },
  homePage: {
    flag: "home-page",
    env: "HOME_PAGE",
    takes: "on|off",
    default: undefined,
    help: "serve a text at / that lists the services and commands to call them; --no-home-page turns it off. Without this flag: on, unless the program serves other routes too",
    allowed: "on or off",
    parse: parseSwitch,
  },
  health: {
    flag: "health",
    env: "HEALTH",
    takes: "on|off",
    default: "on",
    help: "serve the health service of gRPC and /healthz; --no-health turns both off",
    allowed: "on or off",
    parse: parseSwitch,
  },
  reflection: {
    flag: "reflection",
    env: "REFLECTION",
    takes: "on|off|v1|v1alpha",
    default: "on",
    help: "serve gRPC reflection, from which grpcurl and buf curl get the schema, in both versions or in one; --no-reflection turns it off",
    allowed: "on, off, v1 or v1alpha",
    parse: (text) => (text === "v1" || text === "v1alpha" ? text : parseSwitch(text)),
  },
  logFormat: {
    flag: "log-format",
    env: "LOG_FORMAT",
    takes: "text|json",
    default: "text",
    help: "format of the log. json writes every record to stderr as one object a line, and needs the package pino",
    allowed: "text or json",
    parse: (text) => (text === "text" || text === "json" ? text : undefined),
  },
  delayMs: {
    flag: "drain-delay-ms",
    env: "DRAIN_DELAY_MS",
    default: undefined,
    help: `time after SIGTERM or SIGINT during which health reports NOT_SERVING but new connections are accepted, for load balancers to notice. Without this flag: 0 when listening on loopback, otherwise ${DEFAULT_DELAY_MS / 1_000}s`,
    ...SHUTDOWN_TIME,
  },
  idleMs: {
    flag: "drain-idle-ms",
    env: "DRAIN_IDLE_MS",
    default: "1s",
    help: "time after the delay during which an idle connection stays open, for a call that is already on its way",
    ...SHUTDOWN_TIME,
  },
  graceMs: {
    flag: "grace-ms",
    env: "GRACE_MS",
    default: "10s",
    help: "time after the delay for calls in flight to finish",
    ...SHUTDOWN_TIME,
  },
  abortMs: {
    flag: "abort-ms",
    env: "ABORT_MS",
    default: "1s",
    help: "last part of --grace-ms; when it starts, handlers are told to stop and streams end",
    ...SHUTDOWN_TIME,
  },
  ...TELEMETRY_SETTINGS,
};
