/** The options of `run`, and their validation. */
import { type OptionRule, readOptions, SERVER_RULES, STRING } from "../server/option-validation.ts";
import type { ServerOptions } from "../server/server-options.ts";
import type { HealthStatus } from "../server/services/health-status.ts";
import { type Config, SETTINGS } from "./settings.ts";

/** The options of `createServer` that are not settings of the command line, and the folder of the page. */
export interface ProgramOptions extends Omit<ServerOptions, keyof Config | "tls"> {
  /** The status that is served unless --health is off, for a program that changes it. Default: all are "serving". */
  readonly health?: HealthStatus | undefined;
  /**
   * Folder of the built page, which browsers get at "/" as the setting --page says. Default: no page.
   *
   * @internal
   */
  readonly pageFolder?: string | undefined;
  /**
   * The text that --version prints. Default: the name and version in the nearest package.json above the main script, and the
   * version of Node.
   */
  readonly version?: string | undefined;
}

/** The flags of the options of `createServer` that are settings of the command line. */
const FLAGS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(SETTINGS).map(([name, { flag }]) => [name, `--${flag}`])),
  limits: "a flag for each limit",
  tls: "--tls-cert, --tls-key and --tls-client-ca",
};

const RULES: Readonly<Record<string, OptionRule>> = {
  ...Object.fromEntries(Object.entries<OptionRule>(SERVER_RULES).filter(([name]) => !Object.hasOwn(FLAGS, name))),
  health: {
    passes: (value) => typeof value === "object" && SERVER_RULES.health.passes(value),
    allowed: "a HealthStatus; --health off turns health off",
  },
  pageFolder: STRING,
  version: STRING,
};

/** Reads and validates the options. Throws TypeError for an option that is unknown, invalid or a setting of the command line. */
export function readProgramOptions(given: ProgramOptions): ProgramOptions {
  for (const name in given)
    if (Object.hasOwn(FLAGS, name) && !Object.hasOwn(RULES, name))
      throw new TypeError(`run: ${name} is not an option; set it by ${FLAGS[name]}`);
  return readOptions("run", given, RULES);
}
