/**
 * `npm run dev`: runs the server, and restarts it after each change. Before that, generates code if the contract
 * changed, and builds the page if the contract or the page changed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { watchFolders } from "./watch.ts";

const ROOT = join(import.meta.dirname, "..");
const FOLDERS = ["src", "proto", "web"];
const BUILT = join("web", "dist");
/** A save or a checkout makes several changes. The time between two of them is shorter than this. */
const SETTLE_MS = 100;
/** A server that drains for longer is killed. */
const STOP_MS = 2_000;

const changes = new Set<string>();
let server: ChildProcess | undefined;
let script: ChildProcess | undefined;
let stopping = false;
let wake = (): void => {};

const unwatch = watchFolders(ROOT, isWatched, (path) => {
  changes.add(path);
  wake();
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop(signal));
void run();

async function run(): Promise<void> {
  startServer();
  while (!stopping) {
    const changed = await settledChanges();
    if (stopping) return;
    console.log(`dev: changed ${changed.join(", ")}`);
    if ((await prepare(changed)) && !stopping) await endServer();
    if (server === undefined && !stopping) startServer();
  }
}

/** Waits for a change, then for a pause without changes. Returns all changes, and removes them from `changes`. */
async function settledChanges(): Promise<string[]> {
  const { promise, resolve } = Promise.withResolvers<void>();
  wake = resolve;
  if (changes.size === 0) await promise;
  for (let size = 0; size !== changes.size; ) {
    size = changes.size;
    await sleep(SETTLE_MS);
  }
  const taken = [...changes];
  changes.clear();
  return taken;
}

/** Runs the npm script that the changes require. Returns false if the script failed; a running server then stays. */
async function prepare(changed: readonly string[]): Promise<boolean> {
  const isChanged = (folder: string): boolean => changed.some((path) => path.split(sep)[0] === folder);
  const name = isChanged("proto") ? "generate" : isChanged("web") ? "build" : undefined; // generate also builds
  if (name === undefined) return true;
  script = spawn("npm", ["run", "--silent", name], { cwd: ROOT, stdio: "inherit" });
  const [code] = await once(script, "exit");
  script = undefined;
  if (code !== 0) console.error(`dev: npm run ${name} failed; waiting for a change`);
  return code === 0;
}

function startServer(): void {
  const child = spawn(process.execPath, [join(ROOT, "src/main.ts"), ...process.argv.slice(2)], { stdio: "inherit" });
  server = child;
  child.on("exit", (code, signal) => {
    server = undefined;
    if (stopping) process.exitCode = code ?? 1;
    else if (code !== 0 && signal === null) console.error("dev: the server failed; waiting for a change");
  });
}

async function endServer(): Promise<void> {
  if (server === undefined) return;
  const child = server;
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  child.kill("SIGTERM");
  await once(child, "exit");
  clearTimeout(timer);
}

/** Forwards the signal to the script and the server. This process exits when both have exited. */
function stop(signal: NodeJS.Signals): void {
  stopping = true;
  unwatch();
  script?.kill(signal);
  server?.kill(signal === "SIGHUP" ? "SIGTERM" : signal); // on SIGHUP, a server with TLS only reloads its certificates
}

/** True for paths in the watched folders, except for the built page and for backup and lock files of editors. */
function isWatched(path: string): boolean {
  const folders = path.split(sep);
  return FOLDERS.includes(folders[0] ?? "") && path !== BUILT && !folders.some((name) => /^[.#]|~$/.test(name));
}
