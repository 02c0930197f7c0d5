/** Reads the settings of the process from its arguments and environment. */
import { type Flags, readFlags } from "../cli/flags.ts";
import { LIMIT_SETTINGS, RENAMED_FLAGS, renamedVariables } from "../cli/limit-settings.ts";
import { flagsTakenByNpm } from "../cli/npm-flags.ts";
import type { Setting } from "../cli/setting.ts";
import { defaultLimits, limitOfProcess } from "../server/limits/defaults.ts";
import type { Limits } from "../server/limits/limits.ts";
import { renamed } from "../server/limits/renamed-options.ts";
import type { LogFormat } from "./process-log.ts";
import { type Config, SETTINGS, SWITCHES } from "./settings.ts";

/** Invalid settings. The message has a line for each problem. */
export class ConfigError extends Error {
  readonly problems: readonly string[];
  /** The format of the log. Text if that setting is invalid too. */
  readonly logFormat: LogFormat;

  constructor(problems: readonly string[], logFormat: LogFormat = "text") {
    super(problems.join("\n"));
    this.problems = problems;
    this.logFormat = logFormat;
  }
}

type Env = Readonly<Record<string, string | undefined>>;

type Key = keyof typeof SETTINGS;

/** Returns the settings besides the limits. `hasPage` is false if the program does not have a page to set. */
export function settingsOf(program: { readonly hasPage: boolean }): readonly Setting<unknown>[] {
  return keysOf(program).map((key) => SETTINGS[key]);
}

function keysOf({ hasPage }: { readonly hasPage: boolean }): Key[] {
  return (Object.keys(SETTINGS) as Key[]).filter((key) => hasPage || key !== "page");
}

/** The program that has the settings. */
export interface SettingsProgram {
  /** True if the program has a page. */
  readonly hasPage: boolean;
  /** The number of workers, in place of the setting: it may be that of the cores, which can change. */
  readonly workers?: number;
}

/**
 * Returns the settings of a command line and its environment. With workers, the limits are those of each. Throws ConfigError
 * if a setting is invalid.
 */
export function readConfig(args: readonly string[], env: Env, program: SettingsProgram = { hasPage: true }): Config {
  const { hasPage } = program;
  const settings: readonly Setting<unknown>[] = [...settingsOf({ hasPage }), ...LIMIT_SETTINGS];
  const takenByNpm = flagsTakenByNpm(["start", "dev"], settings, env);
  if (takenByNpm !== undefined) throw new ConfigError([takenByNpm]);
  const flags = readFlags(args, {
    known: settings.map(({ flag }) => flag),
    switches: SWITCHES,
    renamed: RENAMED_FLAGS,
  });
  const problems = [...flags.problems, ...renamedVariables(env)];
  const read = (setting: Setting<unknown>): unknown => readSetting(setting, flags, env, problems);

  const keys = keysOf({ hasPage });
  const config = Object.fromEntries(keys.map((key) => [key, read(SETTINGS[key])])) as unknown as Config;
  const workers = program.workers ?? config.workers ?? 1;
  const defaults = defaultLimits(workers);
  const limits = LIMIT_SETTINGS.map(({ name, ...setting }) => {
    const value = read({ ...setting, default: undefined }) as number | undefined;
    return [name, value === undefined ? defaults[name] : limitOfProcess(name, value, workers)];
  });
  problems.push(...missingTlsFlags(config), ...missingAdminFlags(config));
  if (problems.length > 0) throw new ConfigError(problems, config.logFormat);
  return Object.freeze({ ...config, workers, limits: Object.freeze(Object.fromEntries(limits) as unknown as Limits) });
}

/**
 * Returns the value of a setting, or its default if it is unset. Returns undefined if it has neither, or if the value is
 * invalid. In the second case, adds a line to `problems`.
 */
function readSetting(setting: Setting<unknown>, flags: Flags, env: Env, problems: string[]): unknown {
  const { flag, env: variable, default: fallback, parse, allowed, renamedValues = {} } = setting;
  const fromEnv = env[variable] === "" ? undefined : env[variable]; // an empty variable is treated as unset
  const text = flags.values.get(flag) ?? fromEnv ?? fallback;
  if (text === undefined) return undefined;
  const value = parse(text);
  if (value !== undefined) return value;
  const source = `${flags.values.has(flag) ? `--${flag}` : variable}: ${JSON.stringify(text)}`;
  const newText = renamed(renamedValues, text);
  problems.push(newText === undefined ? `${source} must be ${allowed}` : `${source} was renamed to "${newText}"`);
  return undefined;
}

function missingAdminFlags({ adminPort, metricsBuckets }: Config): string[] {
  if (adminPort !== undefined || metricsBuckets === undefined) return [];
  return ["--admin-port: must be given with --metrics-buckets"];
}

function missingTlsFlags({ tlsCert, tlsKey, tlsClientCa }: Config): string[] {
  if (tlsCert !== undefined) return tlsKey === undefined ? ["--tls-key: must be given with --tls-cert"] : [];
  if (tlsKey !== undefined) return ["--tls-cert: must be given with --tls-key"];
  return tlsClientCa === undefined ? [] : ["--tls-cert: must be given with --tls-client-ca"];
}
