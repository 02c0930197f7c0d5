/** Attacks with the bytes of HTTP/1.1. */
import type { Attack, Target } from "../support/attack.ts";

const off = Infinity;
const ECHO = call('"hello"');
/** A stream that does not end. */
const WATCH = call("\0\0\0\0\x02{}")
  .replace("/fixture.Echo/Say", "/grpc.health.v1.Health/Watch")
  .replace("application/json", "application/connect+json");
/** More bytes than the TCP buffers of both sides hold. */
const LARGE = 32 << 20;

/** Returns a call of Say, with its body, or with the length of a body that follows. */
export function call(body: string | number, ...fields: string[]): string {
  const length = typeof body === "string" ? body.length : body;
  return `${head("Content-Type: application/json", `Content-Length: ${length}`, ...fields)}\r\n\r\n${typeof body === "string" ? body : ""}`;
}

/** The header section of a call of Say, without its end. */
function head(...fields: string[]): string {
  return ["POST /fixture.Echo/Say HTTP/1.1", "Host: localhost", ...fields].join("\r\n");
}

function bytesOf(text: string): string[] {
  return text.split("");
}

async function say({ connect }: Target, ...first: string[]): Promise<string> {
  return (await connect(...first)).ending();
}

const ATTACKS: readonly Omit<Attack, "http">[] = [
  {
    name: "silence",
    limits: { firstBytesMs: 200 },
    off: { firstBytesMs: off },
    run: (target) => say(target),
    cut: /^closed$/,
  },
  {
    name: "three bytes that both versions begin with, and no more",
    limits: { firstBytesMs: 200 },
    off: { firstBytesMs: off },
    run: (target) => say(target, "PRI"),
    cut: /^closed$/,
  },
  {
    name: "an idle connection",
    limits: { idleMs: 1_000 },
    off: { idleMs: off },
    logged: null,
    run: (target) => say(target, ECHO),
    cut: /^200, closed$/,
  },
  {
    name: "half a head, and no more",
    limits: { headersMs: 200 },
    off: { headersMs: off },
    run: (target) => say(target, head("X-Half: a")),
    cut: /^408, closed$/,
  },
  {
    name: "half a head after a request with a response",
    limits: { headersMs: 200 },
    off: { headersMs: off },
    run: (target) => say(target, ECHO, head("X-Half: a")),
    cut: /^200, 408, closed$/,
  },
  {
    name: "a head byte by byte",
    limits: { headersMs: 200 },
    off: { headersMs: off },
    async run({ connect }) {
      const peer = await connect();
      await peer.trickle(bytesOf(head("X-Long: ", "a".repeat(2_000))), 10);
      return peer.seen();
    },
    cut: /^408, closed$/,
  },
  {
    name: "empty lines for ever",
    limits: { headersMs: 200 },
    off: { headersMs: off },
    async run({ connect }) {
      const peer = await connect();
      await peer.trickle(Array(2_000).fill("\r\n"), 10);
      return peer.seen();
    },
    cut: /closed$/,
  },
  {
    name: "a head, and a body that never comes",
    limits: { requestMs: 200 },
    off: { requestMs: off },
    run: (target) => say(target, call(10)),
    cut: /^408, closed$/,
  },
  {
    name: "a body byte by byte",
    limits: { requestMs: 200 },
    off: { requestMs: off },
    async run({ connect }) {
      const peer = await connect(call(2_000));
      await peer.trickle(bytesOf(" ".repeat(1_999)), 10);
      return peer.seen();
    },
    cut: /^408, closed$/,
  },
  {
    name: "a body chunk by chunk",
    limits: { requestMs: 200 },
    off: { requestMs: off },
    async run({ connect }) {
      const peer = await connect(`${head("Content-Type: application/json", "Transfer-Encoding: chunked")}\r\n\r\n`);
      await peer.trickle(Array(2_000).fill("1\r\n \r\n"), 10);
      return peer.seen();
    },
    cut: /^408, closed$/,
  },
  {
    name: "a header list over its bytes",
    off: { headerListBytes: off },
    async run({ connect }) {
      const fields = Array.from({ length: 200 }, (_, i) => `x-${i}: ${"a".repeat(200)}`);
      return (await connect(call('"hello"', ...fields))).endingWith("431", "200");
    },
    cut: /^431, /,
    uncut: /^200, open$/,
  },
  {
    name: "a response that is not read",
    limits: { readRateMs: 200 },
    off: { readBytesPerSecond: 0 },
    async run({ connect, dropped }) {
      const peer = await connect(call(`"large ${LARGE}"`));
      peer.socket.pause();
      return dropped(peer);
    },
    cut: /^dropped$/,
    uncut: /^held$/,
  },
  {
    name: "a body after an error response",
    limits: { discardedBytes: 1 << 20 },
    off: { discardedBytes: off },
    async run({ connect, dropped }) {
      const peer = await connect(call(10_000_000).replace("application/json", "text/plain"));
      await peer.saw("415");
      await peer.flood(100, () => Buffer.alloc(100_000));
      if ((await dropped(peer)) === "dropped") return "dropped";
      peer.send(ECHO);
      await peer.saw("200");
      return peer.seen();
    },
    cut: /^dropped$/,
    uncut: /^415, 200, open$/,
  },
  {
    name: "an upload that stays unfinished after its response",
    limits: { requestMs: 200 },
    off: { requestMs: off },
    async run({ connect }) {
      const peer = await connect(call(1_000).replace("application/json", "text/plain"));
      return peer.ending();
    },
    cut: /^415, closed$/,
  },
  {
    name: "calls behind a stream, and a peer that disconnects before they are read",
    limits: { deadlineMs: 1_500 },
    off: { deadlineMs: off },
    async run({ connect, reset }) {
      const peer = await connect(WATCH, call('"large 4000"').repeat(60));
      await peer.saw("200");
      peer.send(call('"large 4000"').repeat(2));
      return reset(peer);
    },
    cut: /^dropped$/,
    uncut: /^held$/,
  },
  {
    name: "CONNECT behind streams",
    off: undefined,
    async run({ connect }) {
      const peers = await Promise.all(Array.from({ length: 50 }, () => connect()));
      for (const peer of peers) {
        peer.send(WATCH.repeat(30), "CONNECT localhost:1 HTTP/1.1\r\nHost: localhost:1\r\n\r\n");
      }
      return [...new Set(await Promise.all(peers.map((peer) => peer.ending())))].join();
    },
    cut: /^(200, )?closed$/,
  },
  {
    name: "pipelined GETs behind a stream",
    off: { pipelinedRequests: off },
    async run({ connect }) {
      const peer = await connect(WATCH);
      await peer.saw("200");
      await peer.flood(20_000, () => "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
      return peer.ending();
    },
    cut: /closed$/,
    uncut: /^200, open$/,
  },
  {
    name: "20,000 pipelined GETs",
    off: { pipelinedRequests: off },
    async run({ connect }) {
      const peer = await connect();
      const get = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
      await peer.flood(20_000, () => get);
      await peer.sawOrClosed("200", 20_000);
      return peer.count("200") < 20_000 ? peer.ending() : "all answered, open";
    },
    cut: /closed$/,
    uncut: /^all answered, open$/,
  },
];

export const HTTP1_ATTACKS: readonly Attack[] = ATTACKS.map((attack) => ({ ...attack, http: "1.1" }));
