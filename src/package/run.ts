/** The entry of the package for programs. */
export { run, type ProgramOptions } from "../program/run.ts";
