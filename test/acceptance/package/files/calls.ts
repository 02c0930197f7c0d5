/** Calls of a server by plain HTTP, without a client library. */
import * as http2 from "node:http2";
import * as https from "node:https";

/** One gRPC call over HTTP/2. Returns the status and the messages of the response, without their envelopes. */
export function callGrpc(url: string, path: string, message: Uint8Array, ca?: string): Promise<GrpcResponse> {
  const session = http2.connect(url, ca === undefined ? {} : { ca });
  return new Promise<GrpcResponse>((resolve, reject) => {
    session.on("error", reject);
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const pieces: Buffer[] = [];
    let status = "";
    const onFields = (fields: http2.IncomingHttpHeaders): void => {
      status = String(fields["grpc-status"] ?? status);
    };
    stream.on("response", onFields).on("trailers", onFields).on("error", reject);
    stream.on("data", (piece: Buffer) => pieces.push(piece));
    stream.on("end", () => resolve({ status, messages: split(Buffer.concat(pieces)) }));
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    stream.end(Buffer.concat([prefix, message]));
  }).finally(() => session.close());
}

export interface GrpcResponse {
  readonly status: string;
  readonly messages: readonly Buffer[];
}

function split(body: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at < body.length; at += 5 + body.readUInt32BE(at + 1)) {
    messages.push(body.subarray(at + 5, at + 5 + body.readUInt32BE(at + 1)));
  }
  return messages;
}

/** One call in JSON over HTTP/1.1. Returns the status and the body of the response. */
export async function callJson(url: string, path: string, message: object): Promise<readonly [number, unknown]> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url + path, { method: "POST", headers, body: JSON.stringify(message) });
  return [response.status, await response.json()];
}

/** Returns the body of a GET over HTTP/1.1 with TLS. */
export function getOverTls(url: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    https
      .get(url, { ca, agent: false }, (response) => {
        response.setEncoding("utf8").on("error", reject);
        let body = "";
        response.on("data", (piece: string) => {
          body += piece;
        });
        response.on("end", () => resolve(body));
      })
      .on("error", reject);
  });
}
