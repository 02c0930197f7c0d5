/** Logs when no file descriptor is left. Node then closes each new connection without reporting an error. */
import type { Log } from "../log/record.ts";

const { closeSync, openSync, readFileSync } = process.getBuiltinModule("node:fs");

/** The interval between checks. A check takes about 10 us. */
const CHECK_MS = 1_000;
/** The minimum interval between two log entries. */
const PAUSE_MS = 60_000;

/** Logs at most once a minute while no file descriptor is left. Returns a function that stops the checks. */
export function watchFileDescriptors(log: Log): () => void {
  const limit = openFilesLimit();
  const reasons: Readonly<Record<string, string>> = {
    EMFILE: `all ${limit === undefined ? "" : `${limit} `}file descriptors of this process are in use; raise that limit (ulimit -n, systemd's LimitNOFILE) or lower --connections`,
    ENFILE: "all file descriptors of this machine are in use; raise that limit (sysctl fs.file-max)",
  };
  let loggedAt = Number.NEGATIVE_INFINITY;
  const timer = setInterval(() => {
    const reason = reasons[openProblem() ?? ""];
    const now = performance.now();
    if (reason === undefined || now - loggedAt < PAUSE_MS) return;
    loggedAt = now;
    const message = `accept connections: new ones are closed immediately, since ${reason}`;
    log({ level: "error", event: "file_descriptors", message });
  }, CHECK_MS).unref();
  return () => clearInterval(timer);
}

/** Tries to open a file. Returns the error code, such as EMFILE, or undefined if the file can be opened. */
function openProblem(): string | undefined {
  try {
    closeSync(openSync("/", "r"));
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

/** Returns this process's limit on open files, or undefined if the limit is unknown. */
export function openFilesLimit(): number | undefined {
  try {
    const [, limit] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return limit === undefined ? undefined : Number(limit);
  } catch {
    return undefined; // only Linux has that file
  }
}
