/** A proxy that records every byte between client and server, and parses them as HTTP/1.1. */
import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import type { TestContext } from "node:test";

export interface RecordedMessage {
  /** The request or status line. */
  readonly start: string;
  /** The headers, with names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export interface RecordedExchange {
  readonly request: RecordedMessage;
  readonly response: RecordedMessage;
}

export interface RecordingProxy {
  readonly url: string;
  /** Returns the exchanges so far, in order of their connections, whose request line contains `text`. */
  exchanges(text: string): RecordedExchange[];
}

export async function startRecordingProxy(t: TestContext, port: number): Promise<RecordingProxy> {
  const connections: { sent: Buffer[]; received: Buffer[] }[] = [];
  const sockets = new Set<net.Socket>();
  const proxy = net.createServer((client) => {
    const server = net.connect(port, "127.0.0.1");
    const connection = { sent: [] as Buffer[], received: [] as Buffer[] };
    connections.push(connection);
    client.on("data", (bytes: Buffer) => connection.sent.push(bytes));
    server.on("data", (bytes: Buffer) => connection.received.push(bytes));
    client.pipe(server).pipe(client);
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on("error", () => {}); // the close handler ends the other one
      socket.on("close", () => {
        client.destroy();
        server.destroy();
      });
    }
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  t.after(() => {
    proxy.close();
    for (const socket of sockets) socket.destroy();
  });
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    exchanges: (text) =>
      connections
        .flatMap(({ sent, received }) => {
          const responses = readMessages(Buffer.concat(received));
          return readMessages(Buffer.concat(sent)).map((request, i) => ({ request, response: responses[i] }));
        })
        .filter((each): each is RecordedExchange => each.response !== undefined && each.request.start.includes(text)),
  };
}

/** Returns the messages with a complete header section (RFC 9112). */
function readMessages(bytes: Buffer): RecordedMessage[] {
  const messages: RecordedMessage[] = [];
  for (let at = 0; at < bytes.length; ) {
    const headEnd = bytes.indexOf("\r\n\r\n", at);
    if (headEnd < 0) break;
    const [start = "", ...lines] = bytes.toString("latin1", at, headEnd).split("\r\n");
    const headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const bodyStart = headEnd + 4;
    if (headers.get("transfer-encoding") === "chunked") {
      const { body, end } = readChunks(bytes, bodyStart);
      messages.push({ start, headers, body });
      at = end;
    } else {
      at = bodyStart + Number(headers.get("content-length") ?? 0);
      messages.push({ start, headers, body: bytes.subarray(bodyStart, at) });
    }
  }
  return messages;
}

function readChunks(bytes: Buffer, start: number): { body: Buffer; end: number } {
  const chunks: Buffer[] = [];
  for (let at = start; ; ) {
    const lineEnd = bytes.indexOf("\r\n", at);
    const size = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    at = lineEnd + 2 + size + 2;
    if (size === 0) return { body: Buffer.concat(chunks), end: at };
    chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
  }
}
