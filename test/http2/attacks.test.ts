/** Peers that mean harm, on a socket, with a good client beside them whose calls all succeed. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Handler } from "../../src/server/exchange.ts";
import { Flag, FrameType, SettingId } from "../../src/server/http2/frames.ts";
import { encodeBlock } from "../../src/server/http2/hpack-encoder.ts";
import type { Limits } from "../../src/server/limits.ts";
import { echo, OK } from "./support/bench.ts";
import { call, connect, pause, RawClient, startServer, type TestServer } from "./support/server.ts";
import {
  data,
  frame,
  GET,
  HELLO,
  headers,
  POST,
  PREFACE,
  ping,
  rstStream,
  settings,
  windowUpdate,
} from "./support/wire.ts";

const LARGE = Buffer.alloc(32 << 20);

/** Echoes; but for GET of /never, which is not answered, and of /large, which is with 32 MB. */
const handler: Handler = (exchange) => {
  const { path } = exchange.request;
  if (path === "/large") exchange.respond(OK, LARGE);
  else if (path !== "/never") echo(exchange);
};

function get(id: number, path: string): Buffer {
  return headers(id, [...GET.filter(([name]) => name !== ":path"), [":path", path]]);
}

interface Attack {
  readonly limits?: Partial<Limits>;
  /** What turns the bound off. */
  readonly off: Partial<Limits>;
  /** The first that the attacker says. */
  readonly first?: Buffer;
  /** Goes on until it is cut; or until it has done what would have been cut. */
  readonly run: (attacker: RawClient) => Promise<void>;
  /** How it ends: with such a frame, or where there is none, without one. */
  readonly end: RegExp | undefined;
}

const CALM = /^Goaway \d+ ENHANCE_YOUR_CALM: ./;

/** Sends the same many times, and then waits until the server has come so far. */
function flood(
  count: number,
  make: (i: number) => Buffer,
  before: Buffer = headers(1, POST, 0),
  after: Buffer = ping(),
  answer: RegExp = /^Ping ack/,
): Attack["run"] {
  return async (attacker) => {
    attacker.send(before);
    for (let sent = 0; sent < count && !attacker.socket.destroyed; sent += 1_000) {
      attacker.send(...Array.from({ length: 1_000 }, (_, i) => make(sent + i)));
      await pause(1);
    }
    attacker.send(after);
    // Where it was cut there is no answer.
    await attacker.until(answer).catch(() => {});
  };
}

/** Waits for longer than the clocks of these tests allow, or until it is cut, doing something again and again. */
function linger(again: (attacker: RawClient) => void = () => {}): Attack["run"] {
  return async (attacker) => {
    for (let i = 0; i < 20 && !attacker.socket.destroyed; i++) {
      again(attacker);
      await Promise.race([attacker.closed, pause(20)]);
    }
  };
}

const off = Infinity;
const resets = {
  resetsPerSecond: off,
  abandonedHandlersPerConnection: off,
  abandonedHandlers: off,
  controlFramesPerSecond: off,
};

const ATTACKS: Record<string, Attack> = {
  "a peer that connects and is silent": {
    limits: { settingsMs: 100 },
    off: { settingsMs: off },
    first: Buffer.alloc(0),
    run: linger(),
    end: /SETTINGS_TIMEOUT/,
  },
  "a peer that says its preface and no more": {
    limits: { settingsMs: 100 },
    off: { settingsMs: off },
    first: PREFACE,
    run: linger(),
    end: /SETTINGS_TIMEOUT/,
  },
  "a peer that has no streams": {
    limits: { idleMs: 100, pingAnswerMs: 100 },
    off: { idleMs: off },
    run: linger(),
    end: /NO_ERROR: no stream/,
  },
  "a peer whose HEADERS come byte by byte": {
    limits: { headersMs: 100 },
    off: { headersMs: off },
    run: async (attacker) => {
      const head = headers(1, GET);
      let at = 0;
      await linger(() => attacker.send(head.subarray(at, ++at)))(attacker);
    },
    end: CALM,
  },
  "a peer whose field block never ends (CVE-2024-27316)": {
    off: { continuationFrames: off, headerBlockBytes: off },
    run: flood(
      20_000,
      () => frame(FrameType.Continuation, 0, 1, "\x88"),
      frame(FrameType.Headers, Flag.EndStream, 1, encodeBlock(POST)),
      frame(FrameType.Continuation, Flag.EndHeaders, 1),
      /^Headers 1 431 end/,
    ),
    end: CALM,
  },
  "a peer whose body comes byte by byte": {
    limits: { requestMs: 100 },
    off: { requestMs: off },
    run: async (attacker) => {
      attacker.send(headers(1, POST, 0));
      await linger(() => attacker.send(data(1, "a", 0)))(attacker);
      if (attacker.words.includes("Headers 1 408 end")) attacker.socket.destroy();
    },
    end: /Headers 1 408/,
  },
  "a peer that never opens its window": {
    limits: { readRateMs: 100 },
    off: { readBytesPerSecond: 0 },
    run: async (attacker) => {
      attacker.send(settings([SettingId.InitialWindowSize, 0]), headers(1, POST, 0), data(1, "hello"));
      await linger(() => attacker.send(ping()))(attacker);
    },
    end: CALM,
  },
  "a peer that reads nothing": {
    limits: { readRateMs: 100 },
    off: { readBytesPerSecond: 0 },
    run: async (attacker) => {
      attacker.send(
        settings([SettingId.InitialWindowSize, 0x7fff_ffff]),
        windowUpdate(0, 0x7000_0000),
        get(1, "/large"),
      );
      attacker.socket.pause();
      // It sees that it was cut only when it reads.
      for (let i = 0; i < 75; i++) await pause(20);
      attacker.socket.resume();
      await Promise.race([attacker.closed, pause(200)]);
    },
    end: undefined,
  },
  "a peer that asks and does not read": {
    limits: { controlFramesPerSecond: off, pingAnswerMs: 100 },
    off: { unsentBytes: off },
    run: async (attacker) => {
      attacker.socket.pause();
      // More than the buffers of both systems hold.
      for (let i = 0; i < 40 && !attacker.socket.destroyed; i++) attacker.send(Buffer.alloc(17 << 16, ping()));
      // Until all is taken, or for a second nothing more.
      for (let still = 0, before = 0; still < 20 && attacker.socket.writableLength > 0; await pause(50)) {
        still = attacker.socket.writableLength === before ? still + 1 : 0;
        before = attacker.socket.writableLength;
      }
      if (attacker.socket.writableLength > 0) attacker.socket.destroy();
    },
    end: undefined,
  },
  "a peer that is dead while its call is under way": {
    limits: { keepaliveMs: 50, pingAnswerMs: 50 },
    off: { keepaliveMs: off },
    run: async (attacker) => {
      attacker.send(get(1, "/never"));
      await linger()(attacker);
    },
    end: /NO_ERROR: PING was not answered/,
  },
  "a flood of PING (CVE-2019-9512)": {
    off: { controlFramesPerSecond: off },
    run: flood(20_000, () => ping()),
    end: CALM,
  },
  "a flood of SETTINGS (CVE-2019-9515)": {
    off: { controlFramesPerSecond: off },
    run: flood(20_000, () => settings()),
    end: CALM,
  },
  "a flood of PRIORITY (CVE-2019-9513)": {
    off: { controlFramesPerSecond: off },
    run: flood(20_000, () => frame(FrameType.Priority, 0, 1, Buffer.alloc(5))),
    end: CALM,
  },
  "a flood of empty DATA (CVE-2019-9518)": {
    off: { controlFramesPerSecond: off },
    run: flood(20_000, () => data(1, "", 0)),
    end: CALM,
  },
  "a flood of PING that waits for its answers": {
    limits: { controlFramesPerSecond: 20 },
    off: { controlFramesPerSecond: off },
    run: async (attacker) => {
      for (let i = 0; i < 300 && !attacker.socket.destroyed; i++) {
        const before = attacker.frames.length;
        attacker.send(ping());
        while (attacker.frames.length === before && !attacker.socket.destroyed) await pause(0);
      }
    },
    end: CALM,
  },
  "rapid reset (CVE-2023-44487)": {
    off: resets,
    run: flood(10_000, (i) => Buffer.concat([get(1 + 2 * i, "/never"), rstStream(1 + 2 * i)]), Buffer.alloc(0)),
    end: CALM,
  },
  "rapid reset of calls that are answered at once": {
    off: resets,
    run: flood(10_000, (i) => Buffer.concat([get(1 + 2 * i, "/"), rstStream(1 + 2 * i)]), Buffer.alloc(0)),
    end: CALM,
  },
  "streams made to be reset (CVE-2025-8671)": {
    off: resets,
    run: flood(10_000, (i) => Buffer.concat([get(1 + 2 * i, "/never"), windowUpdate(1 + 2 * i, 0)]), Buffer.alloc(0)),
    end: CALM,
  },
  "handlers left running for reset streams": {
    off: resets,
    limits: { resetsPerSecond: off },
    run: flood(10_000, (i) => Buffer.concat([get(1 + 2 * i, "/never"), rstStream(1 + 2 * i)]), Buffer.alloc(0)),
    end: /handlers running for reset streams exceed/,
  },
  "more streams than are allowed": {
    limits: { resetsPerSecond: off },
    off: { concurrentStreams: off },
    run: async (attacker) => {
      await flood(2_000, (i) => get(1 + 2 * i, "/never"), Buffer.alloc(0))(attacker);
      if (attacker.words.includes("RstStream 3999 REFUSED_STREAM")) attacker.socket.destroy();
    },
    end: /RstStream 3999 REFUSED_STREAM/,
  },
};

/** Calls one after the other until it is told to stop; all of them succeed. */
function goodClient(t: TestContext, server: TestServer): () => Promise<void> {
  const session = connect(t, server);
  let going = true;
  const calls = (async () => {
    do {
      const { status, body } = await call(session, "hello");
      assert.equal(status, 200);
      assert.equal(body.toString(), "hello");
      await pause(1);
    } while (going);
  })();
  return async () => {
    going = false;
    await calls;
    session.destroy();
  };
}

for (const [what, attack] of Object.entries(ATTACKS)) {
  test(`attack: ${what} is cut, and nobody else`, async (t) => {
    const server = await startServer(t, handler, attack.limits);
    const stop = goodClient(t, server);
    const attacker = await RawClient.connect(t, server, attack.first ?? HELLO);
    await attack.run(attacker);
    await attacker.closed;
    if (attack.end !== undefined)
      assert.match(attacker.words.filter((word) => attack.end?.test(word)).join(), attack.end);
    await stop();
    while (server.http2.connections > 0) await pause(2);
  });

  test(`attack: without its bound nothing cuts ${what}`, async (t) => {
    const server = await startServer(t, handler, { ...attack.limits, ...attack.off });
    const attacker = await RawClient.connect(t, server, attack.first ?? HELLO);
    await attack.run(attacker);
    assert.equal(attacker.socket.destroyed, false);
    assert.ok(!attacker.words.some((word) => (attack.end ?? CALM).test(word)));
  });
}

test("attacks leave behind no memory and no handles", async (t) => {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const server = await startServer(t, handler, {
    resetsPerSecond: 50,
    controlFramesPerSecond: 50,
    abandonedHandlers: off,
  });
  const floods = [
    flood(2_000, (i) => Buffer.concat([get(1 + 2 * i, "/"), rstStream(1 + 2 * i)]), Buffer.alloc(0)),
    flood(2_000, () => ping()),
    flood(2_000, () => data(1, "", 0)),
    flood(2_000, () => frame(FrameType.Continuation, 0, 1, "\x88"), frame(FrameType.Headers, 0, 1, encodeBlock(POST))),
  ];
  const round = async () => {
    for (const run of floods) {
      const attacker = await RawClient.connect(t, server);
      await run(attacker);
      await attacker.closed;
    }
    while (server.http2.connections > 0) await pause(2);
    await pause(20);
    collect();
    return { memory: process.memoryUsage().heapUsed, handles: process.getActiveResourcesInfo().length };
  };
  for (let i = 0; i < 5; i++) await round();
  const warm = await round();
  for (let i = 0; i < 5; i++) await round();
  const after = await round();
  assert.ok(after.memory < warm.memory * 1.05, `${warm.memory} bytes became ${after.memory}`);
  assert.ok(after.handles <= warm.handles);
});

test("a thousand calls cancelled in one burst leave an honest client its connection", async (t) => {
  const server = await startServer(t, handler);
  const client = await RawClient.connect(t, server);
  for (let i = 0; i < 1_000; i++) client.send(get(1 + 2 * i, "/never"), rstStream(1 + 2 * i));
  client.send(get(2001, "/"));
  await client.until(/^Headers 2001 200/);
  assert.ok(!client.words.some((word) => word.startsWith("Goaway")));
});
