/** The bytes of one call on the wire, counted between load and server. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import type { Cell } from "./cells.ts";
import { load } from "./load.ts";

/** Of one call on a connection that has made others, without TCP's and IP's own. */
export interface WireBytes {
  readonly request: number;
  readonly answer: number;
}

const CALLS = 1000;

export async function countBytes(cell: Cell, authority: string): Promise<WireBytes> {
  const bytes = { request: 0, answer: 0 };
  const [host, port] = authority.split(":");
  const proxy = createServer((client) => {
    const server = connect(Number(port), host);
    client.on("data", ({ length }) => {
      bytes.request += length;
    });
    server.on("data", ({ length }) => {
      bytes.answer += length;
    });
    client.on("error", () => server.destroy());
    server.on("error", () => client.destroy());
    client.pipe(server).pipe(client);
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const through = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const first = cell.connections * cell.streams;
  await load(cell, through, first);
  const { request, answer } = bytes;
  await load(cell, through, first + CALLS);
  proxy.close();
  return { request: (bytes.request - 2 * request) / CALLS, answer: (bytes.answer - 2 * answer) / CALLS };
}
