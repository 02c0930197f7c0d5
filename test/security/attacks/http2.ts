/** Attacks with the frames of HTTP/2 (RFC 9113, 10.5). */

import { setTimeout as sleep } from "node:timers/promises";
import type { Field } from "../../../src/server/http/exchange.ts";
import { Flag, FrameType, SettingId } from "../../../src/server/http2/frames/types.ts";
import { encodeBlock } from "../../../src/server/http2/hpack/encoder.ts";
import type { Limits } from "../../../src/server/limits/limits.ts";
import {
  data,
  frame,
  GET,
  HANDSHAKE,
  headers,
  POST,
  PREFACE,
  ping,
  rstStream,
  settings,
  windowUpdate,
} from "../../http2/support/frames.ts";
import { envelope } from "../../support/cells.ts";
import type { Attack, Target } from "../support/attack.ts";

const off = Infinity;
/** The stream of the last request of a flood. A response to it shows that the flood was not cut off. */
const LAST = 1_000_001;
const ANSWERED = /200, open$/;
const CALM = /GOAWAY ENHANCE_YOUR_CALM, closed$/;

/** Returns a complete call of Say. */
export function get(id: number, text: string): Buffer {
  const query = new URLSearchParams({ encoding: "json", message: JSON.stringify(text) });
  return headers(id, [...GET.filter(([name]) => name !== ":path"), [":path", `/fixture.Echo/Say?${query}`]]);
}

/** Returns the headers of a call of Say, whose body follows. */
export function post(
  id: number,
  type = "application/json",
  path = "/fixture.Echo/Say",
  more: readonly Field[] = [],
): Buffer {
  const fields = POST.filter(([name]) => name !== ":path");
  return headers(id, [...fields, [":path", path], ["content-type", type], ...more], 0);
}

/** Sends the frames many times, and then makes a call, which succeeds if the flood was not cut off. */
function flood(
  count: number,
  make: (i: number) => Buffer,
  before: Buffer = post(1),
  after: Buffer = Buffer.alloc(0),
): Attack["run"] {
  return async ({ connect }) => {
    const peer = await connect(HANDSHAKE, before);
    await peer.flood(count, make);
    peer.send(after, get(LAST, "after it"));
    await peer.sawOrClosed("200");
    return peer.open ? peer.seen() : peer.ending();
  };
}

/** Sends the frames, and nothing more. */
function linger(...first: Buffer[]): Attack["run"] {
  return async ({ connect }) => {
    return (await connect(...first)).ending();
  };
}

/** Sends each request after the response to the previous one. */
function paced(make: () => Buffer, answer: string): Attack["run"] {
  return async ({ connect }) => {
    const peer = await connect(HANDSHAKE, post(1));
    for (let i = 1; i <= 300 && peer.open; i++) {
      peer.send(make());
      await peer.sawOrClosed(answer, i);
    }
    peer.send(get(LAST, "after it"));
    await peer.sawOrClosed("200");
    return peer.open ? peer.seen() : peer.ending();
  };
}

const resets = {
  resetsPerSecond: off,
  cancelledHandlersPerConnection: off,
  cancelledHandlers: off,
  controlFramesPerSecond: off,
  callsInFlight: off,
} satisfies Partial<Limits>;

const LARGE = 32 << 20;

async function unread({ connect, dropped }: Target, path: string, body: string): Promise<string> {
  const peer = await connect(
    HANDSHAKE,
    settings([SettingId.InitialWindowSize, 0x7fff_ffff]),
    windowUpdate(0, 0x7000_0000),
    post(1, "application/json", path),
    data(1, body),
  );
  peer.socket.pause();
  return dropped(peer);
}

const ATTACKS: readonly Omit<Attack, "http">[] = [
  {
    name: "its preface, and no more",
    limits: { settingsMs: 200 },
    off: { settingsMs: off },
    run: linger(PREFACE),
    cut: /GOAWAY SETTINGS_TIMEOUT, closed$/,
  },
  {
    name: "a session without streams",
    limits: { idleMs: 1_000, pingTimeoutMs: 200 },
    off: { idleMs: off },
    logged: null,
    run: linger(HANDSHAKE),
    cut: /^GOAWAY NO_ERROR, PING, closed$/,
  },
  {
    name: "HEADERS byte by byte",
    limits: { headersMs: 200 },
    off: { headersMs: off },
    async run({ connect }) {
      const peer = await connect(HANDSHAKE);
      const head = post(1);
      await peer.trickle(
        Array.from({ length: head.length - 1 }, (_, i) => head.subarray(i, i + 1)),
        20,
      );
      return peer.ending();
    },
    cut: CALM,
  },
  {
    name: "HEADERS, and a body that never comes",
    limits: { requestMs: 200 },
    off: { requestMs: off },
    async run({ connect }) {
      const peer = await connect(HANDSHAKE, post(1));
      return peer.endingWith("408");
    },
    cut: /^408, /,
  },
  {
    name: "HEADERS, and a body byte by byte",
    limits: { requestMs: 200 },
    off: { requestMs: off },
    async run({ connect }) {
      const peer = await connect(HANDSHAKE, post(1));
      await peer.trickle(Array(30).fill(data(1, " ", 0)), 20);
      return peer.seen();
    },
    cut: /^408, /,
  },
  {
    name: "a refused request whose body comes byte by byte",
    limits: { earlyResponseMs: 200, earlyResponseIdleMs: 200 },
    off: { earlyResponseMs: off },
    logged: null, // it is answered, and may go on for as long as the next attack shows
    async run({ connect }) {
      const peer = await connect(HANDSHAKE, post(1, "text/plain"));
      await peer.trickle(Array(30).fill(data(1, " ", 0)), 20);
      return peer.seen();
    },
    cut: /^415, open$/,
    uncut: /^open$/,
  },
  {
    name: "a refused request whose rest comes byte by byte",
    limits: { earlyResponseMs: 50, requestMs: 200 },
    off: { requestMs: off },
    async run({ connect }) {
      const peer = await connect(HANDSHAKE, post(1, "text/plain"));
      await peer.trickle(Array(30).fill(data(1, " ", 0)), 20);
      return peer.seen();
    },
    cut: /^415, RST_STREAM NO_ERROR, open$/,
  },
  {
    name: "a refused request whose rest has no end",
    limits: { discardedBytes: 1 << 20 },
    off: { discardedBytes: off },
    async run({ connect }) {
      const peer = await connect(HANDSHAKE, post(1, "text/plain"));
      await peer.flood(200, () => data(1, Buffer.alloc(16_000), 0));
      return peer.endingWith("RST_STREAM NO_ERROR");
    },
    cut: /^415, RST_STREAM NO_ERROR, open$/,
  },
  {
    name: "a refused request that is left unfinished",
    limits: { discardIdleMs: 200 },
    off: { discardIdleMs: off },
    logged: null,
    async run({ connect }) {
      return (await connect(HANDSHAKE, post(1, "text/plain"))).endingWith("RST_STREAM NO_ERROR");
    },
    cut: /^415, RST_STREAM NO_ERROR, open$/,
  },
  {
    name: "a window that never opens",
    limits: { readRateMs: 200 },
    off: { readBytesPerSecond: 0 },
    async run({ connect }) {
      const peer = await connect(HANDSHAKE, settings([SettingId.InitialWindowSize, 0]), get(1, "hello"));
      await peer.trickle(Array(30).fill(ping()), 20);
      return peer.ending();
    },
    cut: CALM,
  },
  {
    name: "a response that is not read",
    limits: { readRateMs: 200 },
    off: { readBytesPerSecond: 0 },
    run: (target) => unread(target, "/fixture.Echo/Say", `"large ${LARGE}"`),
    cut: /^dropped$/,
    uncut: /^held$/,
  },
  {
    name: "requests, and no response read",
    limits: { controlFramesPerSecond: off, pingTimeoutMs: 200, readRateMs: 200 },
    off: { readBytesPerSecond: 0 },
    async run({ connect, dropped }) {
      const peer = await connect(HANDSHAKE);
      peer.socket.pause();
      peer.send(Buffer.alloc(17 << 20, ping()));
      return dropped(peer);
    },
    cut: /^dropped$/,
    uncut: /^held$/,
  },
  {
    name: "more requests than the server buffers unread responses for",
    limits: { controlFramesPerSecond: off },
    off: { sendBufferBytes: off },
    logged: null, // nothing is cut: the peer's own system holds what is not read
    async run({ connect, turn }) {
      const peer = await connect(HANDSHAKE);
      const { socket } = peer;
      socket.pause();
      const pings = Buffer.alloc(17 << 12, ping());
      for (let i = 0; i < 512; i++) {
        let written = false;
        socket.write(pings, () => (written = true));
        // Waits until the bytes are written, or the server has used a second of CPU time.
        for (let still = 0; !written; still++) {
          if (still === 200) return "not taken";
          await turn();
          await sleep(5);
        }
      }
      return "taken";
    },
    cut: /^not taken$/,
    uncut: /^taken$/,
  },
  {
    name: "a call in flight, and a dead peer",
    limits: { keepaliveMs: 100, pingTimeoutMs: 100 },
    off: { keepaliveMs: off },
    logged: "pingTimeoutMs",
    run: linger(HANDSHAKE, get(1, "stuck")),
    cut: /^PING, GOAWAY NO_ERROR, closed$/,
  },
  {
    name: "a flood of PING (CVE-2019-9512)",
    off: { controlFramesPerSecond: off },
    run: flood(20_000, () => ping()),
    cut: CALM,
    uncut: ANSWERED,
  },
  {
    name: "a flood of SETTINGS (CVE-2019-9515)",
    off: { controlFramesPerSecond: off },
    run: flood(20_000, () => settings()),
    cut: CALM,
    uncut: ANSWERED,
  },
  {
    name: "a flood of PRIORITY (CVE-2019-9513)",
    off: { controlFramesPerSecond: off },
    run: flood(20_000, () => frame(FrameType.Priority, 0, 1, Buffer.alloc(5))),
    cut: CALM,
    uncut: ANSWERED,
  },
  {
    name: "a flood of empty DATA (CVE-2019-9518)",
    off: { controlFramesPerSecond: off },
    run: flood(20_000, () => data(1, "", 0)),
    cut: CALM,
    uncut: ANSWERED,
  },
  {
    name: "PING after PING, each when the previous one is acknowledged",
    limits: { controlFramesPerSecond: 20 },
    off: { controlFramesPerSecond: off },
    run: paced(ping, "PING ack"),
    cut: CALM,
    uncut: ANSWERED,
  },
  {
    name: "SETTINGS after SETTINGS, each when the previous one is acknowledged",
    limits: { controlFramesPerSecond: 20 },
    off: { controlFramesPerSecond: off },
    run: paced(() => settings(), "SETTINGS ack"),
    cut: CALM,
    uncut: ANSWERED,
  },
  {
    name: "a field block without end (CVE-2024-27316)",
    off: { continuationFrames: off, headerBlockBytes: off },
    run: flood(
      20_000,
      () => frame(FrameType.Continuation, 0, 1, "\x88"),
      frame(FrameType.Headers, Flag.EndStream, 1, encodeBlock(POST)),
      frame(FrameType.Continuation, Flag.EndHeaders, 1),
    ),
    cut: CALM,
    uncut: /^431, 200, open$/,
  },
  {
    name: "a header list over its bytes",
    off: { headerListBytes: off },
    async run({ connect }) {
      const long = Array.from({ length: 200 }, (_, i) => [`x-${i}`, "a".repeat(200)] as const);
      const peer = await connect(HANDSHAKE, ...wide(1, long));
      return peer.endingWith("431", "200");
    },
    cut: /^431, open$/,
    uncut: /^200, open$/,
  },
  {
    name: "rapid reset (CVE-2023-44487)",
    off: resets,
    run: flood(10_000, (i) => Buffer.concat([get(1 + 2 * i, "stuck"), rstStream(1 + 2 * i)]), Buffer.alloc(0)),
    cut: CALM,
    uncut: ANSWERED,
  },
  {
    name: "rapid reset of calls with immediate responses",
    off: resets,
    run: flood(10_000, (i) => Buffer.concat([get(1 + 2 * i, "hello"), rstStream(1 + 2 * i)]), Buffer.alloc(0)),
    cut: CALM,
    uncut: /200/,
  },
  {
    name: "streams made to be reset (CVE-2025-8671)",
    off: resets,
    run: flood(10_000, (i) => Buffer.concat([get(1 + 2 * i, "stuck"), windowUpdate(1 + 2 * i, 0)]), Buffer.alloc(0)),
    cut: CALM,
    uncut: /200, open$/,
  },
  {
    name: "handlers left running for reset streams",
    limits: { resetsPerSecond: off, controlFramesPerSecond: off },
    off: resets,
    run: flood(10_000, (i) => Buffer.concat([get(1 + 2 * i, "stuck"), rstStream(1 + 2 * i)]), Buffer.alloc(0)),
    cut: CALM,
    uncut: ANSWERED,
  },
  {
    name: "handlers of server streams left running for reset streams",
    limits: { resetsPerSecond: off, controlFramesPerSecond: off },
    off: resets,
    async run({ connect }) {
      const peer = await connect(HANDSHAKE);
      // The handler of a stream starts after the bytes that came with its request, so its reset must come later.
      for (let round = 0; round < 50 && peer.open; round++) {
        const ids = Array.from({ length: 90 }, (_, i) => 1 + 2 * (90 * round + i));
        peer.send(...ids.map(stuckStream), ping());
        await peer.sawOrClosed("PING ack", round + 1);
        peer.send(...ids.map((id) => rstStream(id)));
      }
      peer.send(get(LAST, "after it"));
      await peer.sawOrClosed("200");
      return peer.open ? peer.seen() : peer.ending();
    },
    cut: CALM,
    uncut: ANSWERED,
  },
  {
    name: "thousands of streams at once",
    limits: { resetsPerSecond: off },
    off: { concurrentStreams: off },
    async run({ connect }) {
      const peer = await connect(HANDSHAKE);
      await peer.flood(3_000, (i) => get(1 + 2 * i, "stuck"));
      peer.send(ping());
      await peer.saw("PING ack");
      return peer.seen();
    },
    cut: /RST_STREAM REFUSED_STREAM/,
    uncut: /^open$/,
  },
];

export const HTTP2_ATTACKS: readonly Attack[] = ATTACKS.map((attack) => ({ ...attack, http: "2" }));

/** Returns a call of Repeat, whose handler does not end. */
function stuckStream(id: number): Buffer {
  const body = envelope(Buffer.from('"1 times stuck"'));
  return Buffer.concat([post(id, "application/grpc+json", "/fixture.Echo/Repeat"), data(id, body)]);
}

/** Returns a request with more fields than fit in one frame. */
function wide(id: number, fields: readonly (readonly [string, string])[]): Buffer[] {
  const block = encodeBlock([...GET, ...fields]);
  const pieces = Array.from({ length: Math.ceil(block.length / 16_384) }, (_, i) =>
    block.subarray(i * 16_384, (i + 1) * 16_384),
  );
  return pieces.map((piece, i) =>
    frame(
      i === 0 ? FrameType.Headers : FrameType.Continuation,
      (i === 0 ? Flag.EndStream : 0) | (i === pieces.length - 1 ? Flag.EndHeaders : 0),
      id,
      piece,
    ),
  );
}
