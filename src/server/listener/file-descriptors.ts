/** Notices that no file descriptor is left: the system then closes new connections, and Node tells nobody. */
import { closeSync, openSync, readFileSync } from "node:fs";

/** ms between two checks, each of which takes about 10 us. */
const CHECK_MS = 1_000;
/** ms between two lines of the log. */
const PAUSE_MS = 60_000;

/** Logs if descriptors run out, once a minute at most. Returns a function that ends it. */
export function watchFileDescriptors(log: (line: string) => void): () => void {
  const limit = openFilesLimit();
  const reasons: Readonly<Record<string, string>> = {
    EMFILE: `all ${limit}file descriptors of this process are in use; raise that limit (ulimit -n, systemd's LimitNOFILE) or lower --connections`,
    ENFILE: "all file descriptors of this machine are in use; raise that limit (sysctl fs.file-max)",
  };
  let loggedAt = Number.NEGATIVE_INFINITY;
  const timer = setInterval(() => {
    const reason = reasons[openProblem() ?? ""];
    const now = performance.now();
    if (reason === undefined || now - loggedAt < PAUSE_MS) return;
    loggedAt = now;
    log(`accept connections: new ones are closed at once, since ${reason}`);
  }, CHECK_MS).unref();
  return () => clearInterval(timer);
}

/** Returns Node's code of the error if nothing can be opened. */
function openProblem(): string | undefined {
  try {
    closeSync(openSync("/", "r"));
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

/** Returns the limit that the system sets this process, and a space; an empty string if it cannot be read. */
function openFilesLimit(): string {
  try {
    const [, limit] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return limit === undefined ? "" : `${limit} `;
  } catch {
    return ""; // only Linux has that file
  }
}
