/** Starts a server with workers, and calls them. */
import { once } from "node:events";
import { type Agent, type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ENV, ROOT } from "../../support/command.ts";
import { type HttpVersion, send } from "../../support/http.ts";
import { killGroup, type RunningProcess, startProcessIn } from "../../support/process.ts";

export const MAIN = "test/program/workers/main.ts";

/** Starts the program on a free port, by default with two workers. Ends all of its processes with the test. */
export async function startWorkers(
  t: TestContext,
  flags: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<RunningProcess> {
  const args = [MAIN, "--port", "0", ...flags];
  const server = await startProcessIn(t, ROOT, { ...ENV, WORKERS: "2", ...env }, "node", ...args);
  t.after(() => killGroup(server.child, "SIGKILL"));
  return server;
}

/**
 * Makes a call, which takes `ms`. Uses a connection of its own, or one of `agent`, over HTTP/1.1. Returns the id of the process that
 * responds.
 */
export async function call(
  authority: string,
  ms = 0,
  version: HttpVersion = "HTTP/1.1",
  agent?: Agent,
): Promise<number> {
  const path = "/calls.v1.CallService/Add";
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ a: ms });
  const { status, body: response } =
    agent === undefined
      ? await send(version, authority, { path, headers, body })
      : await sendBy(agent, `http://${authority}${path}`, headers, body);
  if (status !== 200) throw new Error(`${status}: ${response}`);
  return JSON.parse(String(response)).sum;
}

async function sendBy(
  agent: Agent,
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): Promise<{ readonly status: number | undefined; readonly body: string }> {
  const sent = request(url, { agent, method: "POST", headers });
  sent.end(body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return { status: response.statusCode, body: await text(response) };
}

/** Calls until all workers have responded. Returns the ids of their processes. */
export async function workersOf(authority: string, count = 2): Promise<number[]> {
  const found = new Set<number>();
  for (let i = 0; i < 100 && found.size < count; i++) found.add(await call(authority));
  return [...found];
}

/** Waits until a condition is met, for at most 20 s. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`wait for ${condition}: it was not met in 20 s`);
    await sleep(20);
  }
}

/** True if the process runs. */
export function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
