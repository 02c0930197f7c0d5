/** Prints the headers, sizes and times of one HTTP exchange, similar to curl -v. */
import type { Socket } from "node:net";
import type { Certificate, TLSSocket } from "node:tls";

/** A list of header fields in which names and values alternate, as in Node's `rawHeaders`. */
export type RawHeaders = readonly string[];

/** The options that all traces share. */
export interface TraceOptions {
  /** Prints a line. */
  readonly print: (line: string) => void;
  /** The start time (performance.now()). Printed times are relative to this time. */
  readonly startedMs: number;
  /** Returns the trailers in the body of a response with these headers, or an empty list. */
  readonly trailersInBody: (headers: RawHeaders, body: Buffer) => RawHeaders;
}

/**
 * Traces one HTTP exchange. http1.ts and http2.ts call a method for each part of the exchange that is sent or received. A
 * line begins with `>` if the part was sent, with `<` if it was received, and with `*` if the line is a remark.
 */
export class Trace {
  readonly #options: TraceOptions;
  readonly #body: Buffer[] = [];
  #headers: RawHeaders = [];
  #connectedMs = 0;
  #responseMs = 0;
  #sentBytes = 0;
  #complete = false;

  constructor(options: TraceOptions) {
    this.#options = options;
  }

  remark(text: string): void {
    this.#print("*", text);
  }

  connected(socket: Socket): void {
    if (this.#connectedMs > 0) return;
    this.#connectedMs = this.#now();
    this.remark(`connected to ${socket.remoteAddress} port ${socket.remotePort}`);
    if (!isTls(socket)) return;
    const { subject, issuer, valid_to } = socket.getPeerCertificate();
    this.remark(`${socket.getProtocol()}, ${socket.getCipher().name}, ALPN ${socket.alpnProtocol || "none"}`);
    this.remark(`server certificate: ${nameOf(subject)}; issuer ${nameOf(issuer)}; valid until ${valid_to}`);
  }

  /** Prints the request's headers. `firstLine` is the request line of HTTP/1.1. */
  sent(headers: RawHeaders, firstLine?: string): void {
    this.#printBlock(">", headers, firstLine);
  }

  sentBody(bytes: number): void {
    this.#sentBytes += bytes;
  }

  /** Prints the headers of an interim (1xx) or final response. `firstLine` is the status line of HTTP/1.1. */
  received(headers: RawHeaders, firstLine?: string): void {
    if (this.#responseMs === 0) {
      this.#responseMs = this.#now();
      this.#printSentBody();
    }
    this.#headers = headers;
    this.#printBlock("<", headers, firstLine);
  }

  receivedBody(chunk: Buffer): void {
    this.#body.push(chunk);
  }

  /** Prints the size of the response's body, the trailers in the body, and the HTTP trailers (`trailers`). */
  receivedEnd(trailers: RawHeaders): void {
    this.#complete = true;
    const body = Buffer.concat(this.#body);
    this.#print("<", `[body: ${body.length} bytes]`);
    const inBody = this.#options.trailersInBody(this.#headers, body);
    if (inBody.length > 0) this.#printBlock("<", inBody, "[trailers at the end of the body]");
    if (trailers.length > 0) this.#printBlock("<", trailers, "[trailers]");
  }

  /** Prints a summary at the end of the exchange, with or without a response. The byte counts are totals of the socket. */
  ended(socket: Socket): void {
    if (this.#responseMs === 0) this.#printSentBody();
    if (this.#responseMs > 0 && !this.#complete)
      this.#print("<", `[body: ${Buffer.concat(this.#body).length} bytes, and then no end]`);
    const where = isTls(socket) ? "inside TLS" : "on the connection";
    this.remark(`${where}: ${socket.bytesWritten} bytes sent, ${socket.bytesRead} received`);
    const response = this.#responseMs === 0 ? "no response" : `response after ${this.#responseMs.toFixed(1)} ms`;
    this.remark(
      `connected after ${this.#connectedMs.toFixed(1)} ms, ${response}, end after ${this.#now().toFixed(1)} ms`,
    );
  }

  #printSentBody(): void {
    this.#print(">", `[body: ${this.#sentBytes} bytes]`);
  }

  #now(): number {
    return performance.now() - this.#options.startedMs;
  }

  #printBlock(mark: string, headers: RawHeaders, firstLine?: string): void {
    if (firstLine !== undefined) this.#print(mark, firstLine);
    for (let i = 0; i + 1 < headers.length; i += 2) this.#print(mark, `${headers[i]}: ${headers[i + 1]}`);
  }

  /** Prints a line. Control characters are escaped, because a peer could use them to overwrite the terminal. */
  #print(mark: string, text: string): void {
    const shown = text.replaceAll(/\p{Cc}/gu, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
    this.#options.print(`${mark} ${shown}`);
  }
}

/** True for a TLS socket. The socket of an HTTP/2 session is a proxy, so `instanceof` and `in` would not work. */
export function isTls(socket: Socket): socket is TLSSocket {
  return (socket as TLSSocket).encrypted === true;
}

/** Returns the name and the value in the line of a header field. */
export function fieldOf(line: string): RawHeaders {
  const [, name = "", value = ""] = /^([^:]*): ?(.*)$/s.exec(line) ?? [];
  return [name, value];
}

/** Returns a certificate's name like "CN=localhost, O=Example". */
function nameOf(name: Certificate): string {
  const parts = Object.entries(name ?? {}).map(([type, value]) => `${type}=${value}`);
  return parts.length === 0 ? "without a name" : parts.join(", ");
}

/** Calls `onChunk` with each chunk that Node pushes into a response, without reading from the response. */
export function watchBody(
  response: { push(chunk: unknown, encoding?: BufferEncoding): boolean },
  onChunk: (chunk: Buffer) => void,
): void {
  const push = response.push;
  response.push = function (chunk, encoding) {
    if (Buffer.isBuffer(chunk)) onChunk(chunk);
    return push.call(this, chunk, encoding);
  };
}
