/** Attacks with calls, over every HTTP version. */
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { data, HANDSHAKE, headers, POST, rstStream } from "../../http2/support/frames.ts";
import { type Call, CELLS, type Cell, callIn, envelope } from "../../support/cells.ts";
import type { Attack, Target } from "../support/attack.ts";
import { call } from "./http1.ts";
import { get, post } from "./http2.ts";

const off = Infinity;
const SAY = "/fixture.Echo/Say";
const BOMB_BYTES = 50 << 20;
/** Half of the bytes of the largest message. */
const DEEP = 2_000_000;
/** Bytes of memory that a bomb of 50 MB may cost the server. */
const FLAT_BYTES = 25 << 20;
/** Bytes of memory that a stream of 200 MB may cost the server, with the garbage of Connect's handlers. */
const FLAT_STREAM_BYTES = 50 << 20;

type Http = Attack["http"];

/** Connect over HTTP/1.1, gRPC over HTTP/2. */
function cellOf(http: Http, codec: Cell["codec"]): Cell {
  const [protocol, version] = http === "1.1" ? ["Connect", "HTTP/1.1"] : ["gRPC", "HTTP/2"];
  return CELLS.find((cell) => cell.protocol === protocol && cell.codec === codec && cell.http === version) as Cell;
}

/** Makes a call. Returns its code. */
async function code(target: Target, cell: Cell, rest: Omit<Call, "path">): Promise<string> {
  const outcome = await callIn(cell, target.url, { path: SAY, ...rest });
  return outcome.code ?? String(outcome.status);
}

/** Returns the code of the call, and the memory that the server used for it. */
async function weighed(target: Target, run: () => Promise<string>, flatBytes = FLAT_BYTES): Promise<string> {
  let seen = "";
  const growth = await target.growth(async () => {
    seen = await run();
  });
  return `${seen}, ${growth < flatBytes ? "flat" : "grown"}`;
}

/** Returns a message with `size` zeros in an unknown field. */
function zeros(size: number): Buffer {
  const length: number[] = [];
  for (let left = size; left > 0; left >>>= 7) length.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
  return Buffer.concat([Buffer.of(0x1a, ...length), Buffer.alloc(size)]);
}

function bomb(encoding: "gzip" | "br"): Buffer {
  const bytes = zeros(BOMB_BYTES);
  return encoding === "gzip"
    ? gzipSync(bytes, { level: 9 })
    : brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } });
}

function overBoth(http: Http): readonly Omit<Attack, "http">[] {
  const proto = cellOf(http, "proto");
  const json = cellOf(http, "json");
  return [
    ...(["gzip", "br"] as const).map((encoding) => ({
      name: `a ${encoding} bomb of 50 MB`,
      off: { messageBytes: off },
      run: (target: Target) => weighed(target, () => code(target, proto, { message: bomb(encoding), encoding })),
      cut: /^resource_exhausted, flat$/,
      uncut: /^ok, /,
    })),
    {
      name: "a message over its bytes",
      limits: { messageBytes: 65_536 },
      off: { messageBytes: off },
      run: (target) => code(target, proto, { message: zeros(1_000_000) }),
      cut: /^resource_exhausted$/,
      uncut: /^ok$/,
    },
    {
      name: "JSON as deep as a message is long",
      off: undefined,
      run: (target) => code(target, json, { message: Buffer.from("[".repeat(DEEP) + "]".repeat(DEEP)) }),
      cut: /^invalid_argument$/,
    },
    {
      name: "protobuf groups as deep as a message is long",
      off: undefined,
      run: (target) =>
        code(target, proto, { message: Buffer.concat([Buffer.alloc(DEEP, 0x1b), Buffer.alloc(DEEP, 0x1c)]) }),
      cut: /^(ok|invalid_argument)$/,
    },
    {
      name: "a timeout of years, and a handler that never ends",
      limits: { deadlineMs: 500 },
      off: { deadlineMs: off },
      logged: null,
      run: (target) => {
        const timeout = http === "1.1" ? "9999999999" : "99999999H";
        return target.answer(code(target, json, { message: Buffer.from('"stuck"'), timeout }));
      },
      cut: /^deadline_exceeded$/,
      uncut: /^unanswered$/,
    },
    {
      name: "a timeout, and a handler that does not look at it",
      off: undefined,
      run: (target) => code(target, json, { message: Buffer.from('"stuck"'), timeout: http === "1.1" ? "50" : "50m" }),
      cut: /^deadline_exceeded$/,
    },
    {
      name: "more calls than the server has room for",
      limits: { callsInFlight: 20 },
      off: { callsInFlight: off },
      good: "health",
      run: (target) =>
        target.answer(
          Promise.any(
            Array.from({ length: 40 }, async () => {
              const seen = await code(target, json, { message: Buffer.from('"stuck"') });
              if (seen !== "unavailable") throw new Error(seen);
              return seen;
            }),
          ),
        ),
      cut: /^unavailable$/,
      uncut: /^unanswered$/,
    },
    {
      name: "more bodies at once than the server has room for",
      limits: { bufferedBytes: 1_000_500 }, // no sum of what they send: a small call has room
      off: { bufferedBytes: off },
      good: "health",
      async run({ connect, answer }) {
        const peers = await Promise.all(Array.from({ length: 40 }, () => connect()));
        for (const peer of peers) {
          if (http === "1.1") peer.send(call(60_000), " ".repeat(50_000));
          else peer.send(HANDSHAKE, post(1), ...Array(50).fill(data(1, " ".repeat(1_000), 0)));
        }
        return answer(Promise.any(peers.map((peer) => peer.endingWith("503", "RST_STREAM ENHANCE_YOUR_CALM"))));
      },
      cut: http === "1.1" ? /^503, / : /^RST_STREAM ENHANCE_YOUR_CALM, /,
      uncut: /^unanswered$|^open$/,
    },
    {
      name: "more than a message, and not all of it",
      limits: { requestMs: 200, messageBytes: 65_536 },
      off: { requestMs: off },
      async run({ connect }) {
        const body = Buffer.concat([envelope(Buffer.from(JSON.stringify("x".repeat(65_534)))), Buffer.of(0)]);
        if (http === "1.1") {
          const head = call(body.length + 1).replace("application/json", "application/grpc-web+json");
          return (await connect(head, body)).ending();
        }
        const frames = [...Array(5).keys()].map((i) => data(1, body.subarray(i * 16_384, (i + 1) * 16_384), 0));
        return (await connect(HANDSHAKE, post(1, "application/grpc-web+json"), ...frames)).endingWith("408");
      },
      cut: /^408, /,
    },
    {
      name: "parts of messages of more streams than the server has room for",
      limits: { bufferedBytes: 1_000_500 }, // no sum of what they send: a small call has room
      off: { bufferedBytes: off },
      good: "health",
      async run({ connect, answer }) {
        const peers = await Promise.all(Array.from({ length: 40 }, () => connect()));
        const part = envelope(Buffer.alloc(60_000)).subarray(0, 48_000);
        const [type, path] = ["application/grpc-web+json", "/fixture.Echo/Join"];
        for (const peer of peers) {
          if (http === "1.1") peer.send(call(60_005).replace("application/json", type).replace(SAY, path), part);
          else {
            const frames = [...Array(4).keys()].map((i) => data(1, part.subarray(i * 16_384, (i + 1) * 16_384), 0));
            peer.send(HANDSHAKE, post(1, type, path), ...frames);
          }
        }
        return answer(Promise.any(peers.map((peer) => peer.endingWith("200", "RST_STREAM ENHANCE_YOUR_CALM"))));
      },
      cut: http === "1.1" ? /^200, / : /^(200|RST_STREAM ENHANCE_YOUR_CALM), /,
      uncut: /^unanswered$|^open$/,
    },
    {
      name: "more streams of health than the server has room for",
      limits: { callsInFlight: 20 },
      off: { callsInFlight: off },
      run: ({ url, answer }) => {
        const [protocol, version] = http === "1.1" ? ["gRPC-Web", "HTTP/1.1"] : ["gRPC", "HTTP/2"];
        const cell = CELLS.find((each) => each.protocol === protocol && each.http === version && each.codec === "json");
        const watch = { path: "/grpc.health.v1.Health/Watch", message: Buffer.from("{}"), timeout: "2S" };
        const watches = Array.from({ length: 40 }, async () => (await callIn(cell as Cell, url, watch)).code);
        return answer(Promise.all(watches).then((codes) => [...new Set(codes)].sort().join(", ")));
      },
      cut: /^deadline_exceeded, unavailable$/,
      uncut: /^unanswered$/,
    },
    {
      name: "a stream that is not read",
      limits: { readRateMs: 200 },
      off: { readBytesPerSecond: 0 },
      run: (target) =>
        weighed(
          target,
          async () => {
            const request = envelope(Buffer.from('"20000 times large 10000"'));
            const path = "/fixture.Echo/Repeat";
            const peer = await target.connect();
            if (http === "1.1") {
              const head = call(request.length)
                .replace(SAY, path)
                .replace("application/json", "application/connect+json");
              peer.send(head, request);
            } else peer.send(HANDSHAKE, post(1, "application/grpc+json", path), data(1, request));
            peer.socket.pause();
            return target.dropped(peer);
          },
          FLAT_STREAM_BYTES,
        ),
      cut: /^dropped, flat$/,
      uncut: /^held, /,
    },
    {
      name: "resets of connections during responses",
      off: undefined,
      async run({ connect, reset }) {
        const seen = new Set<string>();
        for (let i = 0; i < 20; i++) {
          const peer = await connect();
          if (http === "1.1") peer.send(call('"large 4000000"'));
          else peer.send(HANDSHAKE, get(1, "large 4000000"));
          await peer.saw("200");
          seen.add(await reset(peer));
        }
        return [...seen].join();
      },
      cut: /^dropped$/,
    },
    {
      name: "invalid authorities",
      off: undefined,
      async run({ connect }) {
        const seen = new Set<string>();
        const never = ["a b", "", "\u00ff"];
        const never1 = ["[", "a:99999", "a@b", "http://a"]; // allowed over HTTP/2
        for (const authority of http === "1.1" ? [...never, ...never1] : never) {
          const peer = await connect();
          const bytes =
            http === "1.1"
              ? [call('"hello"').replace("localhost", authority)]
              : [HANDSHAKE, headers(1, [...POST.slice(0, 2), [":path", SAY], [":authority", authority]])];
          peer.send(...bytes);
          seen.add(await peer.endingWith("400", "RST_STREAM PROTOCOL_ERROR"));
        }
        return [...seen].map((each) => each.replace(/, (open|closed)$/, "")).join();
      },
      cut: /^400$/,
    },
  ];
}

const ONLY_HTTP1: readonly Omit<Attack, "http">[] = [
  {
    name: "more connections than are allowed",
    limits: { connections: 20 },
    off: { connections: off },
    async run({ connectBare }) {
      const peers = await Promise.all(Array.from({ length: 40 }, () => connectBare()));
      return Promise.race(peers.map((peer) => peer.ending()));
    },
    cut: /^closed$/,
  },
  {
    name: "more connections from one address than are allowed",
    limits: { connectionsPerAddress: 20 },
    off: { connectionsPerAddress: off },
    async run({ connectBare }) {
      const peers = await Promise.all(Array.from({ length: 40 }, () => connectBare()));
      return Promise.race(peers.map((peer) => peer.ending()));
    },
    cut: /^closed$/,
  },
];

const ONLY_HTTP2: readonly Omit<Attack, "http">[] = [
  {
    name: "resets of streams during responses",
    off: undefined,
    async run({ connect }) {
      const peer = await connect(HANDSHAKE);
      for (let i = 1; i < 40; i += 2) {
        peer.send(get(i, "large 4000000"));
        await peer.saw("200", (i + 1) / 2);
        peer.send(rstStream(i));
      }
      return peer.seen();
    },
    cut: /^200, open$/,
  },
];

export const CALL_ATTACKS: readonly Attack[] = [
  ...[...overBoth("1.1"), ...ONLY_HTTP1].map((attack): Attack => ({ ...attack, http: "1.1" })),
  ...[...overBoth("2"), ...ONLY_HTTP2].map((attack): Attack => ({ ...attack, http: "2" })),
];
