/** Finds flags that npm took for itself because they stood before `--`, as in `npm run client --json 1 2`. */
import { join } from "node:path";

type Env = Readonly<Record<string, string | undefined>>;

/** A flag, and the word for its value in a usage line. */
export interface FlagName {
  readonly flag: string;
  /** Undefined for a flag without a value. */
  readonly takes?: string | undefined;
}

/**
 * Returns a sentence that names the taken flags and the right command, or undefined if npm took none of them.
 *
 * npm passes each taken flag to its script as the variable `npm_config_` and the flag's name. Lines of npmrc files become
 * variables too, so a flag that such a file sets is not reported. Returns undefined unless npm runs one of `scripts`. For
 * example, a program that a test starts has the variables of `npm test`.
 */
export function flagsTakenByNpm(scripts: readonly string[], flags: readonly FlagName[], env: Env): string | undefined {
  const script = scripts.find((each) => each === env.npm_lifecycle_event);
  if (script === undefined) return undefined;
  const npmrc = readNpmrcFiles(env);
  const taken = flags.filter(({ flag }) => {
    const name = flag === "verbose" ? "loglevel" : flag; // npm reads --verbose as --loglevel verbose
    const value = env[`npm_config_${name.replaceAll("-", "_")}`];
    if (value === undefined || (flag === "verbose" && value !== "verbose")) return false;
    if (value.includes("-----BEGIN ")) return false; // the value of npm's own setting ca, cert or key
    return !new RegExp(`^\\s*${name.replaceAll("-", "[-_]")}\\s*(\\[\\s*\\]\\s*)?(=|$)`, "m").test(npmrc);
  });
  if (taken.length === 0) return undefined;
  const command = script === "start" ? "npm start" : `npm run ${script}`;
  const spelled = taken.map(({ flag, takes }) => (takes === undefined ? `--${flag}` : `--${flag} ${takes}`));
  const names = taken.map(({ flag }) => `--${flag}`).join(", ");
  return `${names}: taken by npm as its own; put flags after --, as in: ${command} -- ${spelled.join(" ")}`;
}

/** Returns the text of the npmrc files of the user, the machine and the project. A file that cannot be read is empty. */
function readNpmrcFiles(env: Env): string {
  const { npm_config_userconfig: user, npm_config_globalconfig: machine, npm_config_local_prefix: project } = env;
  const paths = [user, machine, project && join(project, ".npmrc")].filter((path) => path !== undefined);
  return paths.map(readIfPresent).join("\n");
}

function readIfPresent(path: string): string {
  try {
    return process.getBuiltinModule("node:fs").readFileSync(path, "utf8");
  } catch {
    return ""; // npm could not read it either; few machines have all three files
  }
}
