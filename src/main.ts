/** The process: arguments and environment in; signals and exit codes out. */
import { join } from "node:path";
import { asksFor } from "./cli/flags.ts";
import { versionLine } from "./cli/version.ts";
import { type Config, ConfigError, readConfig } from "./config.ts";
import { HELP } from "./help.ts";
import { routes } from "./routes.ts";
import { LIMITS, type Limits } from "./server/limits/limits.ts";
import { loweredLimits, usableMemory } from "./server/limits/memory.ts";
import { MAX_TIMER_MS } from "./server/limits/process-clock.ts";
import { isLocal } from "./server/listener/listen-address.ts";
import { readTlsFiles, TlsFileError, type TlsFiles, validUntil } from "./server/listener/tls-files.ts";
import { createServer, type Server } from "./server/server.ts";
import { type DrainTimes, drainTimes } from "./server/shutdown.ts";
import { localAddress } from "./server/site/advertised-address.ts";
import { readPage } from "./server/site/page.ts";
import { usageLines } from "./server/site/usage.ts";

/** What npm run build makes of web/. */
const PAGE = join(import.meta.dirname, "../web/dist");
/** A terminal's ^C comes twice, from the terminal and from npm: the same signal within this time is the same wish. */
const ECHO_MS = 500;

const LISTEN_PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is in use; choose another with --port",
  EACCES: "no permission; ports from 1024 on need none",
  EADDRNOTAVAIL: "this machine does not have that address",
  ENOTFOUND: "there is no host of that name",
  EAI_AGAIN: "the name cannot be resolved now",
};

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const asked = asksFor(args);
  if (asked !== undefined) return console.log(asked === "help" ? HELP : versionLine());
  const config = readConfig(args, process.env);
  const { tlsCert: cert, tlsKey: key, tlsClientCa: clientCa } = config;
  const files: TlsFiles | undefined = cert === undefined || key === undefined ? undefined : { cert, key, clientCa };
  const tls = files && (await readTlsFiles(files));
  const page = config.page ? readPage(PAGE) : undefined;
  const server = createServer({ routes, tls, ...config, page });
  let times: DrainTimes | undefined;
  closeOnSignal(server, () => times);
  if (files !== undefined) renewTlsOnSignal(server, files);
  const bound = await server
    .listen({ host: config.host, port: config.port })
    .catch((error) => fail(1, listenProblem(config, error)));
  times = drainTimes(config, isLocal(bound));
  const reached = localAddress(bound, files && tls && { credentials: tls, certFile: files.cert });
  const address = { ...reached, needsSchema: !config.reflection };
  const lines = [`listening on ${address.scheme}://${address.authority}`, ...usageLines(server.services, address)];
  console.log(lines.join("\n  "));
  for (const line of loweredLines(config.limits)) console.log(line);
  if (config.page && page === undefined) console.error("no page at /: it is not built; npm run build builds it");
}

/** Says which limits have a lower default here than docs/limits.md says, and why. */
function loweredLines(limits: Limits): string[] {
  const lowered = loweredLimits(limits).map((name) => {
    const { unit } = LIMITS[name];
    return `${name} ${unit === "bytes" ? mebibytes(limits[name]) : limits[name]}`;
  });
  return lowered.length === 0
    ? []
    : [`defaults lowered for ${mebibytes(usableMemory())} of memory: ${lowered.join(", ")}`];
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)}MiB`;
}

/**
 * Reads the files again after each SIGHUP. A signal that arrives during a reading starts one more reading after it, so the
 * files as they were at the last signal win. Without TLS SIGHUP has its default action: it ends the process.
 */
function renewTlsOnSignal(server: Server, files: TlsFiles): void {
  let reading = false;
  let asked = false;
  process.on("SIGHUP", async () => {
    asked = true;
    if (reading) return;
    reading = true;
    while (asked) {
      asked = false;
      await renewTls(server, files);
    }
    reading = false;
  });
}

async function renewTls(server: Server, files: TlsFiles): Promise<void> {
  try {
    const credentials = await readTlsFiles(files);
    server.renewTls(credentials);
    console.log(`loaded certificate ${files.cert}, valid until ${validUntil(credentials).toISOString()}`);
  } catch (error) {
    console.error(`keep the TLS credentials that were loaded before: ${(error as Error).message}`);
  }
}

/** Before it listens there is nothing to drain. */
function closeOnSignal(server: Server, timesOnceListening: () => DrainTimes | undefined): void {
  let first: { signal: string; at: number } | undefined;
  function onSignal(signal: string): void {
    const times = timesOnceListening();
    if (times === undefined) process.exit(0);
    const now = performance.now();
    if (first === undefined) {
      first = { signal, at: now };
      if (times.delayMs > 0)
        console.log(
          `draining: accepts connections for ${times.delayMs} ms more; a second signal ends the process at once`,
        );
      const ranOut = `drain: the time of ${times.graceMs} ms ran out`;
      void server.close(times).then((cut) => {
        if (cut > 0) fail(1, `${ranOut}; calls that were cut: ${cut}`); // whose handlers may hold the process
        const left = now + times.delayMs + times.graceMs - performance.now();
        // No call, but a handler whose caller has gone may hold the process.
        setTimeout(
          () => fail(1, `${ranOut} after the last call, and something still held the process`),
          Math.min(Math.max(left, ECHO_MS), MAX_TIMER_MS),
        ).unref();
      });
      setTimeout(() => {}, ECHO_MS / 10); // the process stays to hear the echo: one that is ending would die of it
    } else if (signal !== first.signal || now - first.at > ECHO_MS) process.exit(1);
  }
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
}

function listenProblem({ host, port }: Config, error: NodeJS.ErrnoException): string {
  return `listen on ${host} port ${port}: ${LISTEN_PROBLEMS[error.code ?? ""] ?? error.message}`;
}

function fail(exitCode: number, message: string): never {
  console.error(message);
  process.exit(exitCode);
}

// Whoever reads its lines may go before the server does.
for (const output of [process.stdout, process.stderr]) output.on("error", () => {});
main().catch((error) => {
  if (error instanceof ConfigError || error instanceof TlsFileError) fail(2, error.message);
  throw error;
});
