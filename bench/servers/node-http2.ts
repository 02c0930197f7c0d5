/** Serves Add and Echo on node:http2 with the least code: gRPC, and Connect's unary protocol, in proto and JSON. */
import { createServer, type ServerHttp2Stream } from "node:http2";
import { CODECS, ECHO_CODECS, ECHO_PATH, errorJson, PATH, toCallError } from "./add.ts";
import { listen } from "./ready.ts";

const server = createServer();
server.on("stream", (stream: ServerHttp2Stream, headers) => {
  const chunks: Buffer[] = [];
  stream.on("error", () => {});
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("end", () => {
    const contentType = headers["content-type"] ?? "";
    const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
    const path = headers[":path"];
    const codecs = path === ECHO_PATH ? ECHO_CODECS : CODECS;
    if (path !== PATH && path !== ECHO_PATH) stream.respond({ ":status": 404 }, { endStream: true });
    else if (contentType.startsWith("application/grpc")) respondGrpc(stream, contentType, codecs, body);
    else respondConnect(stream, contentType, codecs, body);
  });
});
listen(server);

function respondGrpc(stream: ServerHttp2Stream, contentType: string, codecs: typeof CODECS, body: Buffer): void {
  const head = { ":status": 200, "content-type": contentType };
  try {
    if (body.length < 5 || body[0] !== 0 || body.readUInt32BE(1) !== body.length - 5) throw new Error("framing");
    const codec = contentType.endsWith("+json") ? codecs.json : codecs.proto;
    const message = codec(body.subarray(5));
    const response = Buffer.allocUnsafe(5 + message.length);
    response.writeUInt8(0);
    response.writeUInt32BE(message.length, 1);
    response.set(message, 5);
    stream.respond(head, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(response);
  } catch (error) {
    const { code, rawMessage } = toCallError(error);
    stream.respond(
      { ...head, "grpc-status": code, "grpc-message": encodeURIComponent(rawMessage) },
      { endStream: true },
    );
  }
}

function respondConnect(stream: ServerHttp2Stream, contentType: string, codecs: typeof CODECS, body: Buffer): void {
  try {
    const message = (contentType === "application/json" ? codecs.json : codecs.proto)(body);
    stream.respond({ ":status": 200, "content-type": contentType, "content-length": message.length });
    stream.end(message);
  } catch (error) {
    stream.respond({ ":status": 400, "content-type": "application/json" });
    stream.end(errorJson(toCallError(error)));
  }
}
