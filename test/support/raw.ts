/** Sends any bytes over a connection without TLS, valid or not. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** Connects to a "host:port". */
export async function connectTo(authority: string): Promise<Socket> {
  const { hostname, port } = new URL(`http://${authority}`);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  await once(socket, "connect");
  return socket;
}

/** Sends the pieces one after the other. Returns all received bytes when the server has closed the connection. */
export async function exchangeBytes(authority: string, ...pieces: (string | Buffer)[]): Promise<string> {
  const socket = await connectTo(authority);
  for (const piece of pieces) {
    socket.write(piece, "latin1");
    await turns();
  }
  return Buffer.concat(await socket.toArray()).toString("latin1");
}

/** Lets the server, which runs in this process, read the bytes that were sent to it. */
export async function turns(count = 3): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
}
