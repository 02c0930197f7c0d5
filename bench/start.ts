/** The time from a process's start to its first answer, against an empty script's whole life, in pairs. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { send } from "../test/support/http.ts";
import { REQUEST } from "./cells.ts";
import { RunningServer } from "./server.ts";
import { PATH } from "./servers/get-sum.ts";
import { type Estimate, estimate } from "./stats.ts";

export interface Start {
  /** In milliseconds. */
  readonly firstAnswer: Estimate;
  readonly emptyScript: Estimate;
  readonly ratio: Estimate;
}

export async function measureStart(command: readonly string[], core: number, pairs: number): Promise<Start> {
  const first: number[] = [];
  const empty: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    first.push(await elapsed(() => firstAnswer(command, core)));
    empty.push(await elapsed(() => emptyScript(core)));
  }
  const ratio = estimate(first.map((ms, i) => ms / (empty[i] ?? Number.NaN)));
  return { firstAnswer: estimate(first), emptyScript: estimate(empty), ratio };
}

async function firstAnswer(command: readonly string[], core: number): Promise<() => Promise<void>> {
  const server = await RunningServer.start(command, core);
  const headers = { "content-type": "application/json" };
  const { body } = await send("HTTP/1.1", server.authority, { path: PATH, headers, body: REQUEST.json });
  if (body.toString() !== '{"sum":3}') throw new Error(`check the first answer: it came as ${body}`);
  return () => server.stop();
}

async function emptyScript(core: number): Promise<() => Promise<void>> {
  const script = join(import.meta.dirname, "servers/empty.ts");
  await once(spawn("taskset", ["-c", String(core), process.execPath, script]), "exit");
  return async () => {};
}

/** How long the work took, without its clean-up, in milliseconds. */
async function elapsed(work: () => Promise<() => Promise<void>>): Promise<number> {
  const since = performance.now();
  const cleanUp = await work();
  const ms = performance.now() - since;
  await cleanUp();
  return ms;
}
