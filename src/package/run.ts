/** The entry of the package for programs: a server with flags, signals and exit codes. */
export { type ProgramOptions, run } from "../program/run.ts";
