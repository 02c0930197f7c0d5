/** The program around a server: reads the settings, starts the server and reacts to signals. */
import { asksFor } from "../cli/flags.ts";
import { programVersion, versionLine } from "../cli/version.ts";
import { loweredLimits, usableMemory } from "../server/limits/defaults.ts";
import { LIMITS, type Limits } from "../server/limits/limits.ts";
import { MAX_TIMER_MS } from "../server/limits/process-clock.ts";
import { isLocal, isLoopback } from "../server/listener/listen-address.ts";
import { readTlsFiles, TlsFileError, type TlsFiles, validUntil } from "../server/listener/tls-files.ts";
import { guardLog } from "../server/log/application-log.ts";
import { safeRecord } from "../server/log/entry.ts";
import type { LogRecord } from "../server/log/record.ts";
import { createServer, type Server } from "../server/server.ts";
import { type ShutdownTimes, shutdownTimes } from "../server/shutdown.ts";
import { localAddress } from "../server/site/advertised-address.ts";
import { usageLines } from "../server/site/usage.ts";
import { createTelemetry, type Telemetry } from "../telemetry/telemetry.ts";
import { TelemetryError } from "../telemetry/telemetry-error.ts";
import { ConfigError, readConfig } from "./config.ts";
import type { InheritedSocket } from "./inherited-sockets.ts";
import { listenOn, resolveHost, socketsRecord } from "./listen.ts";
import { type ProgramOptions, readProgramOptions } from "./options.ts";
import { choosePage } from "./page.ts";
import { fail, type Report, report, setLogFormat, writeRecord } from "./process-log.ts";
import type { Config } from "./settings.ts";
import { type Control, ECHO_MS, SIGNALS } from "./signals.ts";
import type { Systemd } from "./systemd.ts";
import { workerControl, workerStart } from "./worker.ts";

export type { ProgramOptions } from "./options.ts";

/** The records for a page that was asked for and is not served. */
const NO_PAGE: Readonly<Record<"beyond loopback" | "inherited" | "not built", LogRecord>> = {
  "beyond loopback": {
    level: "info",
    event: "no_page",
    message: "no page at /: listening beyond loopback; --page on serves it there",
  },
  inherited: {
    level: "info",
    event: "no_page",
    message: "no page at /: listening on inherited sockets, which may be beyond loopback; --page on serves it there",
  },
  "not built": {
    level: "warn",
    event: "no_page",
    message: "no page at /: not built yet; npm run build builds it",
  },
};

/**
 * Runs a server as the program of this process. Reads the settings from the arguments of the process and its environment,
 * serves the routes, and prints the address and commands to paste. With --help or --version, prints a text instead. With the
 * command `probe`, checks the health of a server, and ends the process with the exit code of grpc_health_probe.
 *
 * Returns when the server listens. The server then ends by signals: the first SIGINT or SIGTERM shuts it down, and the
 * second one exits immediately. With TLS, SIGHUP loads the TLS files again. Under systemd, uses the sockets that systemd passes
 * on, and tells systemd each state. The exit code is 0 after a complete shutdown, 1 if listening fails, if calls were cut or at
 * the second signal, and 2 after invalid settings or TLS files. Rejects with TypeError for an unknown or invalid option, and with
 * the errors of the routes.
 */
export async function run(given: ProgramOptions): Promise<void> {
  const options = readProgramOptions(given);
  // The reader of a pipe may end before the server does. Without a listener, the next write would then end the process.
  for (const output of [process.stdout, process.stderr]) output.on("error", () => {});
  const args = process.argv.slice(2);
  if (args[0] === "probe") return (await import("./probe.ts")).probe(args.slice(1));
  const program = { hasPage: options.pageFolder !== undefined };
  const asked = asksFor(args);
  if (asked === "help") return console.log((await import("./help.ts")).helpText(program));
  if (asked === "version") return console.log(options.version ?? versionLine());
  try {
    const start = workerStart();
    const control = start === undefined ? SIGNALS : workerControl();
    const config = readConfig(args, process.env, { ...program, ...start });
    await setLogFormat(config.logFormat);
    const systemd = start === undefined ? await systemdOf(process.env) : undefined;
    const { sockets = start?.sockets ?? [], notifier } = systemd ?? {};
    if (start === undefined && config.workers > 1) await (await import("./workers.ts")).runWorkers(config, systemd);
    else await serve(options, config, sockets, notifier?.control(control, config.graceMs) ?? control);
  } catch (error) {
    await failByKnownError(error);
    throw error;
  }
}

/** Returns undefined if this process does not run under systemd, or if systemd neither passes sockets on nor asks for messages. */
async function systemdOf(env: NodeJS.ProcessEnv): Promise<Systemd | undefined> {
  if (!env.NOTIFY_SOCKET && env.LISTEN_FDS === undefined) return undefined;
  return (await import("./systemd.ts")).takeSystemd(env, process.pid);
}

/** Exits with one sentence for each problem if the operator can mend the error. */
async function failByKnownError(error: unknown): Promise<void> {
  if (error instanceof TlsFileError) fail(2, "tls_files_error", error.message);
  if (error instanceof TelemetryError) fail(error.exitCode, "telemetry_error", error.message);
  if (!(error instanceof ConfigError)) return;
  await setLogFormat(error.logFormat).catch(() => {}); // without pino, the problems are text
  fail(2, "settings_error", ...error.problems);
}

async function serve(
  given: ProgramOptions,
  config: Config,
  sockets: readonly InheritedSocket[],
  control: Control,
): Promise<void> {
  const { pageFolder, version, ...options } = given;
  const files = tlsFiles(config);
  const tls = files && (await readTlsFiles(files));
  // The address is known before the server is created, so no connection sees a page that is then left out.
  const own = sockets.length === 0 ? await resolveHost(config) : undefined;
  const { page, missing } = choosePage(config.page, pageFolder, own && isLoopback(own.host));
  const { corsOrigins, allowedHosts, trustedProxies, http2, reflection, adminPort } = config;
  const hasAdminPort = adminPort !== undefined && control.primary === undefined;
  const limits = hasAdminPort ? (await import("./open-files.ts")).withReserve(config.limits) : config.limits;
  const homePage = config.homePage ?? options.fallback === undefined;
  const log = options.log === undefined ? writeRecord : guardLog(options.log, writeRecord);
  const settings = { corsOrigins, allowedHosts, trustedProxies, http2, homePage, reflection, limits, tls, page, log };
  const telemetrySettings = { ...config, version: version ?? programVersion(), primary: control.primary };
  const telemetry = await createTelemetry(telemetrySettings, options.observer, (record) => log(safeRecord(record)));
  const { observer } = telemetry;
  const health = config.health && (options.health ?? true);
  const server = createServer({ ...options, ...settings, health, ...(observer && { observer }) });
  const started = Promise.withResolvers<ShutdownTimes>();
  control.onDrain(async (isReplaced) => {
    const times = await started.promise;
    await shutDown(server, telemetry, isReplaced ? { ...times, delayMs: 0 } : times, control);
  });
  if (files !== undefined) renewTlsOnDemand(server, files, control);
  await telemetry.start(server);
  const bound = await listenOn(server, config, own ?? sockets);
  const times = shutdownTimes(config, bound.every(isLocal));
  started.resolve(times);
  const records = bound.map((address): Report => {
    if (typeof address === "string") return { record: ON_PATH };
    const reached = localAddress(address, files && tls && { credentials: tls, certFile: files.cert });
    const usage = { ...reached, needsSchema: reflection === false, pathPrefix: options.requestPathPrefix };
    const url = `${usage.scheme}://${usage.authority}`;
    const record: LogRecord = { level: "info", event: "listening", message: `listening on ${url}`, url };
    return { record, more: usageLines(server.services, usage) };
  });
  if (own === undefined) records.push({ record: socketsRecord(sockets) });
  for (const record of loweredRecords(config, limits)) records.push({ record });
  for (const message of telemetry.listening())
    records.push({ record: { level: "info", event: "telemetry_listening", message } });
  if (missing !== undefined) records.push({ record: NO_PAGE[missing] });
  control.started({ delayMs: times.delayMs, records });
}

/** The record for an inherited Unix domain socket, whose path Node does not know. */
const ON_PATH: LogRecord = { level: "info", event: "listening", message: "listening on a Unix domain socket" };

function tlsFiles({ tlsCert: cert, tlsKey: key, tlsClientCa: clientCa }: Config): TlsFiles | undefined {
  return cert === undefined || key === undefined ? undefined : { cert, key, clientCa };
}

/** Returns records that name the limits that are lower for this process: `limits`, and the defaults of `config`. */
function loweredRecords(config: Config, limits: Limits): LogRecord[] {
  const messages = [];
  const lowered = loweredLimits(config.limits, config.workers).map((name) => {
    const { unit } = LIMITS[name];
    return `${name} ${unit === "bytes" ? mebibytes(config.limits[name]) : config.limits[name]}`;
  });
  if (lowered.length > 0) {
    const ofWorker = config.workers > 1 ? " of each worker" : "";
    const memory = mebibytes(usableMemory(config.workers));
    messages.push(`defaults${ofWorker} lowered for ${memory} of memory: ${lowered.join(", ")}`);
  }
  if (limits.connections < config.limits.connections)
    messages.push(`connections lowered to ${limits.connections}: more would leave no file descriptor for --admin-port`);
  return messages.map((message) => ({ level: "info", event: "limits_lowered", message }));
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)}MiB`;
}

/**
 * Reads the TLS files again when `control` asks for it, as after a SIGHUP. If that happens while files are being read, they
 * are read once more, so the newest files are always used. Without TLS, SIGHUP keeps its default action and ends the process.
 */
function renewTlsOnDemand(server: Server, files: TlsFiles, control: Control): void {
  let reading: Promise<boolean> | undefined;
  let requested = false;
  async function read(): Promise<boolean> {
    let isRenewed = false;
    while (requested) {
      requested = false;
      isRenewed = await renewTls(server, files);
    }
    reading = undefined;
    return isRenewed;
  }
  control.onRenewTls(() => {
    requested = true;
    reading ??= read();
    return reading;
  });
}

/** Returns false if the credentials that were loaded before are kept. */
async function renewTls(server: Server, files: TlsFiles): Promise<boolean> {
  try {
    const credentials = await readTlsFiles(files);
    server.renewTls(credentials);
    const end = validUntil(credentials).toISOString();
    const message = `loaded certificate ${files.cert}, valid until ${end}`;
    report({ level: "info", event: "certificate_loaded", message, file: files.cert, validUntil: end });
    return true;
  } catch (error) {
    const message = `keep the TLS credentials that were loaded before: ${(error as Error).message}`;
    report({ level: "error", event: "certificate_kept", message });
    return false;
  }
}

/**
 * Shuts the server down, after which the process ends by itself. Exits with 1 if calls were cut or the process does not
 * end.
 */
async function shutDown(server: Server, telemetry: Telemetry, times: ShutdownTimes, control: Control): Promise<void> {
  const end = performance.now() + times.delayMs + times.graceMs;
  if (times.delayMs > 0) control.draining(times.delayMs);
  // Keeps the process alive for the second arrival of a Ctrl-C, which would kill a process that is already exiting.
  setTimeout(() => {}, ECHO_MS / 10);
  const cutCalls = await server.close(times);
  const isTelemetryClosed = await telemetry.close();
  if (cutCalls > 0)
    return control.ended(`drain: timed out after ${times.graceMs} ms; calls that were cut: ${cutCalls}`);
  control.ended();
  // An exporter that waits for its collector holds the process, which is not a failure.
  if (!isTelemetryClosed) return void setTimeout(() => process.exit(0), ECHO_MS).unref();
  const left = end - performance.now();
  // All calls have ended, but a handler can keep the process alive after its client has disconnected.
  setTimeout(
    () =>
      fail(
        1,
        "drain_timeout",
        `drain: timed out after ${times.graceMs} ms; all calls have ended, but something holds the process`,
      ),
    Math.min(Math.max(left, ECHO_MS), MAX_TIMER_MS),
  ).unref();
}
