/** Reads the listening sockets that a service manager has opened for this process, by the protocol of sd_listen_fds(3). */
import { ConfigError } from "./config.ts";

/** A listening socket that this process has inherited. */
export interface InheritedSocket {
  /** Its file descriptor. */
  readonly fd: number;
  /** Its name, by default that of the socket unit. */
  readonly name: string;
}

/** The first file descriptor that is passed on, SD_LISTEN_FDS_START. */
const FIRST_FD = 3;
const MAX_SOCKETS = 256;

/**
 * Returns the sockets, and removes their variables from `env`. Returns an empty list without variables, or if LISTEN_PID is
 * not `pid`. Throws ConfigError if a value is invalid. Node has set all inherited file descriptors to close in child processes.
 */
export function takeSockets(env: Record<string, string | undefined>, pid: number): InheritedSocket[] {
  const { LISTEN_PID: owner, LISTEN_FDS: count, LISTEN_FDNAMES: names } = env;
  for (const name of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete env[name];
  if (owner === undefined || count === undefined) return [];
  if (!/^[1-9]\d{0,9}$/.test(owner)) throw invalid("LISTEN_PID", owner, "the id of a process");
  if (Number(owner) !== pid) return [];
  if (!/^\d{1,3}$/.test(count) || Number(count) > MAX_SOCKETS)
    throw invalid("LISTEN_FDS", count, `a whole number from 0 to ${MAX_SOCKETS}`);
  const list = names?.split(":");
  if (list !== undefined && list.length !== Number(count))
    throw invalid("LISTEN_FDNAMES", names, `${count} names with colons between them, as LISTEN_FDS is ${count}`);
  return Array.from({ length: Number(count) }, (_, i) => ({ fd: FIRST_FD + i, name: list?.[i] ?? "unknown" }));
}

function invalid(variable: string, value: string | undefined, allowed: string): ConfigError {
  return new ConfigError([`${variable}: ${JSON.stringify(value)} must be ${allowed}`]);
}
