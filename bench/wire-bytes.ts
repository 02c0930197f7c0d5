/** Counts the bytes of one call, with a proxy between load generator and server. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import type { Cell } from "./cells.ts";
import { load } from "./load.ts";

/** Bytes of one call on a connection that is already in use, without the headers of TCP and IP. */
export interface WireBytes {
  readonly request: number;
  readonly answer: number;
}

const CALLS = 1000;

/**
 * Returns the mean bytes of a call. Opening connections does not count: the bytes of a load of only first calls are
 * subtracted.
 */
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
