/** Reads the arguments of the drill: `--restarts N`, `--kill`, `--workers`, and after `--` those of the servers. */
import { parseArgs } from "node:util";
import { ConfigError, readConfig } from "../../src/program/config.ts";

export interface Options {
  /** The number of restarts. Default: 20, which take about a minute. */
  readonly restarts: number;
  /** The signal that ends a server. --kill selects SIGKILL, which shows that the drill can fail. */
  readonly signal: NodeJS.Signals;
  /** True if one server stays, and SIGUSR2 replaces its two workers. */
  readonly hasWorkers: boolean;
  /** Arguments for slow-main.ts. */
  readonly serverArgs: readonly string[];
  /** The maximum age of connections, from `serverArgs`, in ms. Infinity for none. */
  readonly connectionAgeMs: number;
}

/** The first invalid argument, with what is allowed. */
export class OptionsError extends Error {}

/** Returns the options, or an error if an argument is invalid. */
export function readOptions(args: readonly string[]): Options | OptionsError {
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const { values, tokens } = parseArgs({
    args: args.slice(0, end),
    options: {
      restarts: { type: "string", default: "20" },
      kill: { type: "boolean", default: false },
      workers: { type: "boolean", default: false },
    },
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const allowed = "--restarts N, --kill and --workers are";
  for (const token of tokens) {
    if (token.kind === "positional")
      return new OptionsError(`${JSON.stringify(token.value)}: must be a flag; ${allowed}`);
    if (token.kind === "option" && !["restarts", "kill", "workers"].includes(token.name)) {
      return new OptionsError(`${token.rawName}: no such flag; ${allowed}`);
    }
  }
  if (!/^[1-9]\d{0,3}$/.test(String(values.restarts))) {
    return new OptionsError(`--restarts: ${JSON.stringify(values.restarts)} must be a whole number from 1 to 9999`);
  }
  const signal = values.kill === true ? "SIGKILL" : "SIGTERM";
  const hasWorkers = values.workers === true;
  const serverArgs = args.slice(end + 1);
  try {
    const { maxConnectionAgeMs: connectionAgeMs } = readConfig(serverArgs, {}).limits;
    return { restarts: Number(values.restarts), signal, hasWorkers, serverArgs, connectionAgeMs };
  } catch (error) {
    if (error instanceof ConfigError) return new OptionsError(error.message);
    throw error;
  }
}
