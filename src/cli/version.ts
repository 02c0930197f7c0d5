/** Makes the line that `--version` prints. */
import { dirname, join } from "node:path";

/** The name and version of a program that is one file, such as "sum 0.1.0". `npm run bundle` defines it; otherwise it is absent. */
declare const PROGRAM_VERSION: string | undefined;

/**
 * Returns the name and version of the program whose main script is `script`, and the version of Node that runs the program.
 * Both are of the nearest package.json that has them, in the folder of the script or above it. Without one, the line has
 * the version of Node only.
 */
export function versionLine(script = process.argv[1]): string {
  const program = programVersion(script);
  const node = `node ${process.versions.node}`;
  return program === undefined ? node : `${program} (${node})`;
}

/** Returns the name and version of the program, such as "sum 0.1.0". Returns undefined without a package.json that has both. */
export function programVersion(script = process.argv[1]): string | undefined {
  if (typeof PROGRAM_VERSION === "string") return PROGRAM_VERSION;
  return script === undefined ? undefined : nearestPackage(dirname(realPath(script)));
}

/** Returns the name and version in the nearest package.json that has both, such as "sum 0.1.0". */
function nearestPackage(folder: string): string | undefined {
  const { name, version } = readPackage(join(folder, "package.json"));
  if (typeof name === "string" && typeof version === "string") return `${name} ${version}`;
  const above = dirname(folder);
  return above === folder ? undefined : nearestPackage(above);
}

function readPackage(path: string): { readonly name?: unknown; readonly version?: unknown } {
  try {
    return JSON.parse(process.getBuiltinModule("node:fs").readFileSync(path, "utf8")) ?? {};
  } catch {
    return {}; // the line is for people, and a program without a readable package.json has a version of Node, too
  }
}

/** Follows the links of npm, which links a program in `node_modules/.bin` to its script. */
function realPath(script: string): string {
  try {
    return process.getBuiltinModule("node:fs").realpathSync(script);
  } catch {
    return script; // such as the script "[eval]" of some loaders
  }
}
