/** Traces the exchanges of Node's HTTP/1.1 client. */
import { subscribe } from "node:diagnostics_channel";
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { fieldOf, isTls, Trace, type TraceOptions, watchBody } from "./trace.ts";

/** Traces each request that this process makes after this function is called. */
export function traceHttp1(options: TraceOptions): void {
  subscribe("http.client.request.created", (message) => {
    const { request } = message as { request: ClientRequest };
    const trace = new Trace(options);
    request.once("socket", (socket: Socket) => watchSocket(socket, request, trace));
    watchRequestBody(request, trace);
    request.on("information", ({ rawHeaders, ...status }) => trace.received(rawHeaders, statusLine(status)));
    request.on("response", (response: IncomingMessage) => {
      trace.received(response.rawHeaders, statusLine(response));
      watchBody(response, (chunk) => trace.receivedBody(chunk));
      response.on("end", () => trace.receivedEnd(response.rawTrailers));
    });
  });
}

/** Traces the connection and the request's head. If Node writes the head before the socket is connected, shows it later. */
function watchSocket(socket: Socket, request: ClientRequest, trace: Trace): void {
  let connected = false;
  let head: string | undefined;
  const showHead = (): void => {
    if (!connected || head === undefined) return;
    const [firstLine, ...lines] = head.split("\r\n");
    trace.sent(lines.flatMap(fieldOf), firstLine);
  };
  const onConnect = (): void => {
    connected = true;
    trace.connected(socket);
    showHead();
  };
  if (socket.connecting) {
    socket.once(isTls(socket) ? "secureConnect" : "connect", onConnect);
  } else onConnect();
  watchHead(socket, (text) => {
    head = text;
    showHead();
  });
  request.on("close", () => trace.ended(socket));
}

/** Calls `onHead` with the text of the first head that is written to the socket, without the empty line at its end. */
function watchHead(socket: Socket, onHead: (head: string) => void): void {
  const { write } = socket;
  let text = "";
  socket.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
    text += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("latin1");
    const end = text.indexOf("\r\n\r\n");
    if (end >= 0) {
      socket.write = write;
      onHead(text.slice(0, end));
    }
    return Reflect.apply(write, socket, [chunk, ...rest]);
  };
}

/** Counts the bytes of the body, without those of chunked framing. */
function watchRequestBody(request: ClientRequest, trace: Trace): void {
  const { write } = request;
  request.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
    trace.sentBody(Buffer.byteLength(chunk));
    return Reflect.apply(write, request, [chunk, ...rest]);
  };
}

type Status = Pick<IncomingMessage, "httpVersion" | "statusCode" | "statusMessage">;

function statusLine({ httpVersion, statusCode, statusMessage }: Status): string {
  return `HTTP/${httpVersion} ${statusCode} ${statusMessage}`;
}
