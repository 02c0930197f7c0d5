/**
 * Measures the time from the command of `npm start`, without npm itself, to the first response. Each start has a run of
 * an empty script beside it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { send } from "../test/support/http.ts";
import { MAIN } from "../test/support/process.ts";
import { REQUEST } from "./cells.ts";
import { RunningServer } from "./server.ts";
import { PATH } from "./servers/add.ts";
import { type Estimate, estimate } from "./stats.ts";

export interface Start {
  /** Milliseconds from the command to the first response. */
  readonly firstAnswer: Estimate;
  /** Milliseconds from the start of an empty script to its exit. */
  readonly emptyScript: Estimate;
  readonly ratio: Estimate;
}

const ROOT = join(import.meta.dirname, "..");
/** The command of `npm start` with the tests' service, which stays when the service is replaced. */
const START = packageJson.scripts.start.replace("src/main.ts", MAIN);
const COMMAND = ["sh", "-c", `cd "$0" && ${START} "$@"`, ROOT, "--port", "PORT"];

/**
 * Measures `pairs` starts, each with a run of the empty script. Before that, starts the server once and ends it
 * normally, so that Node writes its compile cache.
 */
export async function measureStart(core: number, pairs: number): Promise<Start> {
  await (await firstAnswer(core)).stop("SIGTERM");
  const first: number[] = [];
  const empty: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const since = performance.now();
    const server = await firstAnswer(core);
    first.push(performance.now() - since);
    await server.stop();
    empty.push(await emptyScript(core));
  }
  const ratio = estimate(first.map((ms, i) => ms / (empty[i] ?? Number.NaN)));
  return { firstAnswer: estimate(first), emptyScript: estimate(empty), ratio };
}

async function firstAnswer(core: number): Promise<RunningServer> {
  const server = await RunningServer.start(COMMAND, core);
  const headers = { "content-type": "application/json" };
  const { body } = await send("HTTP/1.1", server.authority, { path: PATH, headers, body: REQUEST.json });
  if (body.toString() !== '{"sum":3}') throw new Error(`check the first response: its body is ${body}`);
  return server;
}

/** Returns the run time of an empty script in milliseconds. */
async function emptyScript(core: number): Promise<number> {
  const since = performance.now();
  const script = join(import.meta.dirname, "servers/empty.ts");
  await once(spawn("taskset", ["-c", String(core), process.execPath, script]), "exit");
  return performance.now() - since;
}
