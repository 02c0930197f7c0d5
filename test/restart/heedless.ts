/** A client that ignores `Connection: close`: it pipelines requests until its connection is closed. */
import { setTimeout as sleep } from "node:timers/promises";
import { connectTo } from "../support/raw.ts";
import type { Calls } from "./calls.ts";
import type { Client } from "./client.ts";

/** Requests in flight on one connection. */
const AHEAD = 4;
const PAUSE_MS = 2;
const BODY = '{"a":1,"b":2}';
const ANSWER = '{"sum":3}';
const SAID_CLOSE = "was behind a response with Connection: close";
/**
 * TCP resets a connection that is written to after the other side has closed it. The reset may arrive before that
 * response.
 */
const RESET = "was cut off by a reset after writing to a closed connection";

export const HEEDLESS: Client = {
  name: "JSON over HTTP/1.1, pipelined, ignores close",
  note: `loses requests behind the response with Connection: close: at most ${AHEAD} at each close`,
  mayLose: { calls: AHEAD, reason: new RegExp(`^(${SAID_CLOSE}|${RESET})$`) },
  mustSpan: false,
  async run(authority, calls, stop) {
    while (!stop.aborted) await useUp(authority, calls, stop);
  },
};

/** Makes calls on one connection until it is closed, or `stop` is aborted. Calls without a response are lost. */
async function useUp(authority: string, calls: Calls, stop: AbortSignal): Promise<void> {
  const request = [
    "POST /calls.v1.CallService/Add HTTP/1.1",
    `Host: ${authority}`,
    "Content-Type: application/json",
    `Content-Length: ${BODY.length}`,
    "",
    BODY,
  ].join("\r\n");
  const socket = await connectTo(authority);
  const unanswered: number[] = [];
  let text = "";
  let reason = "the connection was closed without Connection: close";
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    text += chunk;
    for (let at = text.indexOf(ANSWER); at >= 0; at = text.indexOf(ANSWER)) {
      const saysClose = /^connection: close\r$/im.test(text.slice(0, at));
      if (saysClose) reason = SAID_CLOSE;
      text = text.slice(at + ANSWER.length);
      const begin = unanswered.shift() ?? Date.now();
      calls.add(begin, Date.now() - begin);
    }
  });
  socket.on("error", ({ code = "" }: NodeJS.ErrnoException) => {
    if (reason !== SAID_CLOSE && ["ECONNRESET", "EPIPE"].includes(code)) reason = RESET;
  });
  const closed = new Promise((resolve) => socket.once("close", resolve));
  while (socket.writable && !(stop.aborted && unanswered.length === 0)) {
    if (!stop.aborted && unanswered.length < AHEAD) {
      unanswered.push(Date.now());
      socket.write(request);
    }
    await sleep(PAUSE_MS);
  }
  socket.end();
  await closed;
  for (const begin of unanswered) calls.add(begin, Date.now() - begin, reason);
}
