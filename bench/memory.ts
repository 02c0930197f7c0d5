/** Measures resident memory: idle, per idle connection, after a warm-up, and after many more calls. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cell } from "./cells.ts";
import { load } from "./load.ts";
import type { RunningServer } from "./server.ts";

/** Resident memory of one server, in bytes. */
export interface Memory {
  readonly server: string;
  readonly idle: number;
  readonly perIdleConnection: number;
  /** Memory after a warm-up of `calls` / 10 calls. */
  readonly warmed: number;
  /** Memory after `calls` more calls. */
  readonly after: number;
  readonly calls: number;
}

const CONNECTIONS = 1000;
/** A client's connection preface, and its acknowledgement of the server's SETTINGS (RFC 9113, 3.4). */
const OPENING = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0", "latin1");
/** Time for the garbage collector to free what calls and new connections allocated. */
const SETTLE_MS = 500;

/** Measures a server that has just started and speaks HTTP/2. */
export async function measureMemory(cell: Cell, server: RunningServer, calls: number): Promise<Memory> {
  await load(cell, server.authority, cell.connections * cell.streams);
  const idle = await settled(server);
  const sockets: Socket[] = [];
  for (let i = 0; i < CONNECTIONS; i++) sockets.push(await openIdle(server.authority));
  const perIdleConnection = ((await settled(server)) - idle) / CONNECTIONS;
  for (const socket of sockets) socket.destroy();
  await load(cell, server.authority, calls / 10);
  const warmed = await settled(server);
  await load(cell, server.authority, calls);
  return { server: cell.server, idle, perIdleConnection, warmed, after: await settled(server), calls };
}

async function settled(server: RunningServer): Promise<number> {
  await sleep(SETTLE_MS);
  return server.rssBytes();
}

async function openIdle(authority: string): Promise<Socket> {
  const [host, port] = authority.split(":");
  const socket = connect(Number(port), host);
  socket.write(OPENING);
  await once(socket, "data");
  return socket;
}
