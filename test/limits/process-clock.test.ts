/**
 * Tests that a process that was stopped for longer than its timeouts serves the requests of that time, as after a
 * laptop's sleep.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import { Flag } from "../../src/server/http2/frames/types.ts";
import { data, describeFrame, HANDSHAKE, headers, splitFrames } from "../http2/support/frames.ts";
import { AUTHORITY, SERVER } from "../support/certificates.ts";
import { MAIN, startProcess } from "../support/process.ts";
import { connectTo } from "../support/raw.ts";

/** Milliseconds of each timeout, and milliseconds for which the process is stopped. */
const LIMIT_MS = 3_000;
const STOPPED_MS = 4_000;
const NAMES = ["first-bytes", "handshake", "settings", "headers", "request", "idle"];
/** node:http2 has none of these timeouts on HTTP/2. */
const FLAGS = ["--http2", "built-in", ...NAMES.flatMap((name) => [`--${name}-ms`, String(LIMIT_MS)])];

const PATH = "/calls.v1.CallService/Add";
const BODY = '{"a":1,"b":2}';
const HTTP1 = `POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n`;
const HTTP2 = headers(
  1,
  [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", PATH],
    [":authority", "localhost"],
    ["content-type", "application/json"],
  ],
  Flag.EndHeaders,
);

/**
 * Bytes that a peer sends before and during the stop. `greeting` is the response to the first ones, `answer` that to
 * all.
 */
interface Peer {
  readonly before: string | Buffer;
  readonly greeting?: RegExp;
  readonly during: string | Buffer;
  readonly answer: RegExp;
}

const HTTP1_ANSWER = /^HTTP\/1\.1 200 OK\r\n.*\{"sum":3\}$/s;
const HTTP2_ANSWER = /^Headers 1 200\nData 1 9 end$/m;

const PEERS: Readonly<Record<string, Peer>> = {
  "has sent nothing": { before: "", during: HTTP1 + BODY, answer: HTTP1_ANSWER },
  "is in the preface": {
    before: HANDSHAKE.subarray(0, 20),
    during: Buffer.concat([HANDSHAKE.subarray(20), HTTP2, data(1, BODY)]),
    answer: HTTP2_ANSWER,
  },
  "is in the head of a request, over HTTP/1.1": {
    before: HTTP1.slice(0, 30),
    during: HTTP1.slice(30) + BODY,
    answer: HTTP1_ANSWER,
  },
  "is in the body of a request, over HTTP/1.1": { before: HTTP1, during: BODY, answer: HTTP1_ANSWER },
  "is idle, over HTTP/1.1": {
    before: HTTP1 + BODY,
    greeting: HTTP1_ANSWER,
    during: HTTP1 + BODY,
    answer: /\{"sum":3\}HTTP\/1\.1 200 OK.*\{"sum":3\}$/s,
  },
  "is in HEADERS, over HTTP/2": {
    before: Buffer.concat([HANDSHAKE, HTTP2.subarray(0, 20)]),
    greeting: /Settings/,
    during: Buffer.concat([HTTP2.subarray(20), data(1, BODY)]),
    answer: HTTP2_ANSWER,
  },
  "is in the body of a request, over HTTP/2": {
    before: Buffer.concat([HANDSHAKE, HTTP2]),
    greeting: /Settings/,
    during: data(1, BODY),
    answer: HTTP2_ANSWER,
  },
  "is idle, over HTTP/2": {
    before: HANDSHAKE,
    greeting: /Settings/,
    during: Buffer.concat([HTTP2, data(1, BODY)]),
    answer: HTTP2_ANSWER,
  },
};

/** Collects the bytes that a socket receives, and shows HTTP/2 as words. */
class Received {
  readonly socket: Socket;
  #bytes = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => {}).on("data", (chunk: Buffer) => (this.#bytes = Buffer.concat([this.#bytes, chunk])));
  }

  get text(): string {
    const text = this.#bytes.toString("latin1");
    return text.startsWith("HTTP/") ? text : splitFrames(this.#bytes).frames.map(describeFrame).join("\n");
  }

  /** Waits until the text matches, or the connection ends. */
  async match(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.text) && !this.socket.closed) await sleep(20);
    return this.text;
  }

  async closed(): Promise<void> {
    while (!this.socket.closed) await sleep(20);
  }
}

/** Stops the process for a while, during which the peers send. */
async function stopAndGoOn(child: { kill(signal: NodeJS.Signals): boolean }, during: () => void): Promise<void> {
  child.kill("SIGSTOP");
  await sleep(100);
  during();
  await sleep(STOPPED_MS);
  child.kill("SIGCONT");
}

const skip = process.platform === "win32" && "Windows has no SIGSTOP";

test("peers that send while the process is stopped are served, and connections of silent ones are closed", {
  skip,
}, async (t) => {
  const { child, authority } = await startProcess(t, "node", MAIN, "--port", "0", ...FLAGS);
  const connectAll = () =>
    Promise.all(
      Object.entries(PEERS).map(async ([name, peer]) => {
        const received = new Received(await connectTo(authority));
        t.after(() => received.socket.destroy());
        received.socket.write(peer.before, "latin1");
        if (peer.greeting !== undefined) await received.match(peer.greeting);
        return { name, peer, received };
      }),
    );
  const [senders, silent] = await Promise.all([connectAll(), connectAll()]);
  await sleep(200); // the server reads all that was sent before
  await stopAndGoOn(child, () => {
    for (const { peer, received } of senders) received.socket.write(peer.during, "latin1");
  });
  const answers = senders.map(async ({ name, peer, received }) => [
    name,
    peer.answer.test(await received.match(peer.answer)),
  ]);
  assert.deepEqual(
    Object.fromEntries(await Promise.all(answers)),
    Object.fromEntries(Object.keys(PEERS).map((name) => [name, true])),
  );
  // The timeouts apply again: they are extended once, by the time of the stop.
  await Promise.all(silent.map(({ received }) => received.closed()));
});

test("a TLS handshake goes on after the process was stopped", { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "stopped-"));
  t.after(() => rm(folder, { recursive: true }));
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  await Promise.all([writeFile(cert, SERVER.cert), writeFile(key, SERVER.key)]);
  const args = ["--port", "0", ...FLAGS, "--tls-cert", cert, "--tls-key", key];
  const { child, authority } = await startProcess(t, "node", MAIN, ...args);
  const peers = await Promise.all([shakeHalf(t, authority), shakeHalf(t, authority)]);
  await sleep(200);
  const [first, silent] = peers as [HalfShaken, HalfShaken];
  const received = new Received(first.client);
  first.client.write(HTTP1 + BODY);
  await stopAndGoOn(child, first.goOn);
  assert.match(await received.match(HTTP1_ANSWER), HTTP1_ANSWER);
  await new Received(silent.raw).closed();
});

interface HalfShaken {
  readonly client: tls.TLSSocket;
  readonly raw: Socket;
  readonly goOn: () => void;
}

/** Begins a handshake, and sends only half of the first record until `goOn` is called. */
async function shakeHalf(t: TestContext, authority: string): Promise<HalfShaken> {
  const raw = await connectTo(authority);
  const goes = Promise.withResolvers<void>();
  let begun = false;
  const halfway = new Duplex({
    read() {},
    write(chunk: Buffer, _, done) {
      if (begun) return void raw.write(chunk, done);
      begun = true;
      raw.write(chunk.subarray(0, 100));
      void goes.promise.then(() => raw.write(chunk.subarray(100), done));
    },
  });
  raw
    .on("error", () => {})
    .on("data", (chunk) => halfway.push(chunk))
    .on("close", () => halfway.destroy());
  const client = tls.connect({
    socket: halfway,
    servername: "localhost",
    ca: AUTHORITY.cert,
    ALPNProtocols: ["http/1.1"],
  });
  client.on("error", () => {});
  t.after(() => raw.destroy());
  while (!begun) await sleep(10);
  return { client, raw, goOn: goes.resolve };
}
