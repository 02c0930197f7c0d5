/** A client of Node's fetch: JSON over HTTP/1.1 with keep-alive. */
import { type Client, callOnAndOn } from "./client.ts";

export const FETCH: Client = {
  name: "JSON over HTTP/1.1, fetch",
  mustSpan: false,
  async run(authority, calls, stop) {
    await callOnAndOn(() => add(authority), calls, stop);
  },
};

async function add(authority: string): Promise<void> {
  const response = await fetch(`http://${authority}/calls.v1.CallService/Add`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"a":1,"b":2}',
  }).catch((error: Error) => {
    const { code = "", message = "" } = (error.cause ?? {}) as NodeJS.ErrnoException;
    throw new Error(`${error.message}: ${code} ${message}`);
  });
  const body = await response.text();
  if (body !== '{"sum":3}') throw new Error(`${response.status}: ${body}`);
}
