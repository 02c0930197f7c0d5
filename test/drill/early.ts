/** A client that opens each connection before it needs it, as browsers do, and then asks for it to be closed. */
import { setTimeout as sleep } from "node:timers/promises";
import { connectTo } from "../support/raw.ts";
import { type Client, callOnAndOn } from "./client.ts";

/** How long a connection is open, at most, before the first word on it. */
const MOST_AHEAD_MS = 100;
const BODY = '{"a":1,"b":2}';

export const EARLY: Client = {
  name: "JSON over HTTP/1.1, connections opened ahead",
  note: `each up to ${MOST_AHEAD_MS} ms before its one call`,
  mayLose: 0,
  mustSpan: true,
  async run(authority, calls, stop) {
    await callOnAndOn(() => getSum(authority), calls, stop);
  },
};

async function getSum(authority: string): Promise<void> {
  const socket = await connectTo(authority);
  await sleep(Math.random() * MOST_AHEAD_MS);
  const head = ["POST /test.Test/GetSum HTTP/1.1", `Host: ${authority}`, "Connection: close"];
  const fields = ["Content-Type: application/json", `Content-Length: ${BODY.length}`];
  socket.write([...head, ...fields, "", BODY].join("\r\n"));
  const answer = Buffer.concat(await socket.toArray()).toString("latin1");
  if (!answer.endsWith('{"sum":3}')) throw new Error(answer === "" ? "the connection was closed" : answer);
}
