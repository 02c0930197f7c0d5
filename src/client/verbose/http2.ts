/** Traces the exchanges of Node's HTTP/2 client. */
import { subscribe } from "node:diagnostics_channel";
import { type ClientHttp2Session, type ClientHttp2Stream, constants, type OutgoingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import { type RawHeaders, Trace, type TraceOptions, watchBody } from "./trace.ts";

/** The names of HTTP/2's error codes, by number (RFC 9113, 7). */
const ERROR_NAMES = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
  "INADEQUATE_SECURITY",
  "HTTP_1_1_REQUIRED",
];

/** Traces each request that this process makes after this function is called. */
export function traceHttp2(options: TraceOptions): void {
  const sessions = new WeakSet<ClientHttp2Session>();
  const traces = new WeakMap<ClientHttp2Stream, Trace>();
  subscribe("http2.client.stream.created", (message) => {
    const { stream, headers } = message as { stream: ClientHttp2Stream; headers: OutgoingHttpHeaders };
    const session = stream.session as ClientHttp2Session;
    const trace = new Trace(options);
    traces.set(stream, trace);
    const { socket } = session;
    trace.connected(socket as Socket);
    if (!sessions.has(session)) {
      sessions.add(session);
      session.on("goaway", (code, lastStream) => {
        trace.remark(`received GOAWAY ${nameOf(code)}, last stream ${lastStream}`);
      });
    }
    trace.sent(rawHeaders(headers));
    watch(stream, trace, socket as Socket);
  });
  subscribe("http2.client.stream.bodyChunkSent", (message) => {
    const { stream, data } = message as { stream: ClientHttp2Stream; data: Chunk | { chunk: Chunk }[] };
    const chunks = Array.isArray(data) ? data.map(({ chunk }) => chunk) : [data];
    for (const chunk of chunks) traces.get(stream)?.sentBody(Buffer.byteLength(chunk));
  });
}

type Chunk = Buffer | string;

function watch(stream: ClientHttp2Stream, trace: Trace, socket: Socket): void {
  let trailers: RawHeaders = [];
  stream.on("headers", (_headers, _flags, raw) => trace.received(raw));
  stream.on("response", (_headers, _flags, raw) => trace.received(raw));
  stream.on("trailers", (_headers, _flags, raw) => {
    trailers = raw;
  });
  watchBody(stream, (chunk) => trace.receivedBody(chunk));
  stream.on("end", () => trace.receivedEnd(trailers));
  stream.on("close", () => {
    const { rstCode = 0 } = stream;
    if (rstCode !== constants.NGHTTP2_NO_ERROR) trace.remark(`stream ended with ${nameOf(rstCode)}`);
    trace.ended(socket);
  });
}

/** Returns the fields in the order in which they are sent: pseudo-header fields come first (RFC 9113, 8.3). */
function rawHeaders(headers: OutgoingHttpHeaders): RawHeaders {
  const fields = Object.entries(headers).flatMap(([name, value]) =>
    [value].flat().map((each): [string, string] => [name, String(each)]),
  );
  const isPseudo = ([name]: [string, string]): boolean => name.startsWith(":");
  return [...fields.filter(isPseudo), ...fields.filter((field) => !isPseudo(field))].flat();
}

function nameOf(code: number): string {
  return ERROR_NAMES[code] ?? `error code ${code}`;
}
