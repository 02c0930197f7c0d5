/** Clients that open each connection before they need it, as browsers do, and make one call on it. */
import { setTimeout as sleep } from "node:timers/promises";
import { HTTP_VERSIONS, type HttpVersion, send } from "../support/http.ts";
import { connectTo } from "../support/raw.ts";
import { type Client, callOnAndOn } from "./client.ts";

/** The longest time that a connection is open before its request. */
const MOST_AHEAD_MS = 100;
const REQUEST = {
  path: "/calls.v1.CallService/Add",
  headers: { "content-type": "application/json" },
  body: '{"a":1,"b":2}',
};

export const EARLY_CLIENTS: readonly Client[] = HTTP_VERSIONS.map((version) => ({
  name: `JSON over ${version}, connections opened ahead`,
  note: `each up to ${MOST_AHEAD_MS} ms before its one call`,
  mustSpan: true,
  async run(authority, calls, stop) {
    await callOnAndOn(() => add(version, authority), calls, stop);
  },
}));

async function add(version: HttpVersion, authority: string): Promise<void> {
  const socket = await connectTo(authority);
  let failure: Error | undefined;
  socket.on("error", (error) => {
    failure = error;
  });
  await sleep(Math.random() * MOST_AHEAD_MS);
  if (failure !== undefined) throw failure;
  const { status, body } = await send(version, authority, REQUEST, { createConnection: () => socket });
  if (body.toString() !== '{"sum":3}') throw new Error(`${status}: ${body}`);
}
