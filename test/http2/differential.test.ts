/** Compares this server with node:http2: a client gets the same responses to the same random requests. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http2, { type ClientHttp2Session } from "node:http2";
import net, { type AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import type { Field, Handler } from "../../src/server/http/exchange.ts";
import { Flag, FrameType, SettingId } from "../../src/server/http2/frames/types.ts";
import { encodeBlock } from "../../src/server/http2/hpack/encoder.ts";
import { Random } from "../support/random.ts";
import {
  data,
  type Frame,
  fieldsOf,
  frame,
  headers,
  PREFACE,
  SETTINGS_ACK,
  settings,
  windowUpdate,
} from "./support/frames.ts";
import { RawClient, startServer } from "./support/server.ts";

interface Reply {
  readonly status: number;
  readonly fields: readonly Field[];
  readonly body: Buffer;
  readonly trailers: readonly Field[];
  readonly reset: boolean;
}

/** Returns the response of both servers to a request. */
function reply(path: string, body: Buffer): Reply {
  const random = new Random(body.length + Number(path.slice(1)));
  const some = () =>
    Array.from({ length: random.below(4) }, (_, i) => [`x-${i}`, random.word(random.below(50))] as const);
  return {
    status: random.pick([200, 201, 400, 404, 500]),
    fields: some(),
    body: random.chance(3)
      ? Buffer.concat([body, body])
      : Buffer.alloc(random.below(random.chance(4) ? 200_000 : 500), path),
    trailers: random.chance(2) ? some() : [],
    reset: random.chance(12),
  };
}

const ours: Handler = (exchange) => {
  exchange.bufferBody(
    1 << 20,
    (bytes) => {
      const { status, fields, body, trailers, reset } = reply(exchange.request.path, Buffer.from(bytes));
      if (reset) exchange.reset("internal");
      else exchange.respond({ status, fields }, body, trailers);
    },
    () => exchange.reset(),
  );
};

function theirs(stream: http2.ServerHttp2Stream, path: string): void {
  const parts: Buffer[] = [];
  stream.on("error", () => {});
  stream.on("data", (part: Buffer) => parts.push(part));
  stream.on("end", () => {
    const { status, fields, body, trailers, reset } = reply(path, Buffer.concat(parts));
    if (stream.destroyed) return;
    if (reset) {
      stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
      return;
    }
    stream.on("wantTrailers", () => stream.destroyed || stream.sendTrailers(Object.fromEntries(trailers)));
    stream.respond({ ":status": status, ...Object.fromEntries(fields) }, { waitForTrailers: trailers.length > 0 });
    stream.end(body);
  });
}

/** Starts both servers. Returns their ports. */
async function bothServers(t: TestContext): Promise<readonly [ours: number, theirs: number]> {
  const { port } = await startServer(t, ours);
  const server = http2.createServer();
  server.on("stream", (stream: http2.ServerHttp2Stream, fields: http2.IncomingHttpHeaders) =>
    theirs(stream, String(fields[":path"])),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return [port, (server.address() as AddressInfo).port];
}

/** Makes a random call with a client of node:http2. Returns all that the client receives, as a text. */
async function outcome(session: ClientHttp2Session, seed: number): Promise<string> {
  const random = new Random(seed);
  const request = session.request(
    { ":method": "POST", ":path": `/${seed}`, "x-seed": random.word(20) },
    { waitForTrailers: true },
  );
  request.on("wantTrailers", () => request.sendTrailers({ "x-end": "1" }));
  const seen: string[] = [];
  request.on("error", () => {});
  request.on("response", (fields) => seen.push(`${fields[":status"]} ${ownFields(fields)}`));
  request.on("trailers", (fields) => seen.push(`trailers ${ownFields(fields)}`));
  let body = "";
  request.on("data", (part: Buffer) => {
    body += part.toString("latin1");
  });
  for (let i = random.below(5); i > 0; i--) request.write(random.bytes(random.below(random.chance(4) ? 50_000 : 200)));
  const isCancelled = random.chance(10);
  if (isCancelled) request.close(http2.constants.NGHTTP2_CANCEL);
  else request.end();
  await new Promise((resolve) => request.on("close", resolve));
  return isCancelled ? "cancelled" : [...seen, body, `code ${request.rstCode}`].join("\n");
}

/** Returns the fields that begin with x-, sorted. */
function ownFields(fields: http2.IncomingHttpHeaders): string {
  return Object.entries(fields)
    .filter(([name]) => name.startsWith("x-"))
    .sort()
    .join();
}

for (const window of [100, 65_535, 1 << 20]) {
  test(`a client of node:http2 with windows of ${window} bytes gets the same from both servers`, async (t) => {
    const ports = await bothServers(t);
    const sessions = ports.map((port) =>
      http2.connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: window } }),
    );
    for (const session of sessions) t.after(() => session.destroy());
    for (let first = 1; first < 100; first += 20) {
      const seeds = Array.from({ length: 20 }, (_, i) => first + i);
      const [mine, other] = await Promise.all(
        sessions.map((session) => Promise.all(seeds.map((seed) => outcome(session, seed)))),
      );
      assert.deepEqual(mine, other);
    }
  });
}

/** Returns a random request as frames: with padding, CONTINUATION, trailers, and a body in pieces. */
function request(random: Random, id: number): Buffer[] {
  const fields: readonly Field[] = [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", `/${id}`],
    [":authority", "localhost"],
    ["x-word", random.word(10)],
  ];
  const block = encodeBlock(fields);
  const at = random.below(block.length);
  const frames = [
    frame(FrameType.Headers, 0, id, block.subarray(0, at)),
    frame(FrameType.Continuation, Flag.EndHeaders, id, block.subarray(at)),
  ];
  for (let i = random.below(4); i > 0; i--) {
    const piece = random.bytes(random.below(300));
    if (random.chance(2)) frames.push(data(id, piece, 0));
    else frames.push(frame(FrameType.Data, Flag.Padded, id, Buffer.concat([Buffer.of(7), piece, Buffer.alloc(7)])));
  }
  frames.push(random.chance(2) ? data(id, "end") : headers(id, [["x-end", "1"]]));
  return frames;
}

/** Returns the contents of the frames of each stream. It does not depend on the frames' sizes. */
function contentOf(frames: readonly Frame[]): Record<string, string> {
  const streams: Record<string, string> = {};
  for (const one of frames) {
    if (one.id === 0 || one.type === FrameType.WindowUpdate) continue;
    const content =
      one.type === FrameType.Headers
        ? JSON.stringify({ ...fieldsOf(one), date: undefined })
        : one.payload.toString("latin1");
    streams[one.id] =
      `${streams[one.id] ?? ""}${content}${one.flags & Flag.EndStream && one.type !== FrameType.RstStream ? "\nend" : ""}`;
  }
  return streams;
}

test("both servers respond alike to raw frames in random order and in random chunks", async (t) => {
  const ports = await bothServers(t);
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Random(seed);
    const queues = Array.from({ length: 10 }, (_, i) => request(random, 1 + 2 * i));
    const mixed: Buffer[] = [];
    // Streams are opened in their order. Their other frames follow in a random order.
    for (const queue of queues) mixed.push(...queue.splice(0, 2));
    for (
      let left = queues.filter((queue) => queue.length > 0);
      left.length > 0;
      left = left.filter((queue) => queue.length > 0)
    ) {
      mixed.push(random.pick(left).shift() as Buffer);
    }
    // node:http2 must not use its dynamic table, because fieldsOf does not support it.
    const start = [
      PREFACE,
      settings([SettingId.HeaderTableSize, 0], [SettingId.InitialWindowSize, 1 << 24]),
      SETTINGS_ACK,
    ];
    const bytes = Buffer.concat([...start, windowUpdate(0, 1 << 24), ...mixed]);
    const contents = await Promise.all(
      ports.map(async (port) => {
        const client = new RawClient(net.connect(port, "127.0.0.1"));
        t.after(() => client.socket.destroy());
        for (const piece of random.pieces(bytes)) {
          client.send(piece);
          if (random.chance(20)) await new Promise(setImmediate);
        }
        while (
          Object.values(contentOf(client.frames)).filter(
            (content) => content.endsWith("end") || content.endsWith("\x02"),
          ).length < 10
        ) {
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
        return contentOf(client.frames);
      }),
    );
    assert.deepEqual(contents[0], contents[1]);
  }
});
