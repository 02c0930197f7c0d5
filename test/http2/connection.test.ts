/** Valid and invalid frames: the rules of RFC 9113, 3 to 7, each with its section. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Flag, FrameType, SettingId } from "../../src/server/http2/frames/types.ts";
import { encodeBlock } from "../../src/server/http2/hpack/encoder.ts";
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
  SETTINGS_ACK,
  settings,
  uint32,
  windowUpdate,
} from "./support/frames.ts";
import { Harness, OK } from "./support/harness.ts";

test("the server sends SETTINGS first, and acknowledges those of the client (3.4)", () => {
  assert.deepEqual(new Harness().send(HANDSHAKE), ["Settings", "WindowUpdate 0 983041", "Settings ack"]);
});

test("SETTINGS announce the limits that are on (6.5.2)", () => {
  const [announced] = new Harness().frames();
  assert.equal(announced?.payload.toString("hex"), "000300000080000400040000000600004000");
  const off = Number.POSITIVE_INFINITY;
  const [without] = new Harness(undefined, { concurrentStreams: off, headerListBytes: off }).frames();
  assert.equal(without?.payload.toString("hex"), "000400040000");
});

/** Frames that end a connection after SETTINGS, and the error code of its GOAWAY. */
const CONNECTION_ERRORS: Record<string, readonly [bytes: Buffer, code: string]> = {
  "DATA on stream 0 (6.1)": [data(0, "a"), "PROTOCOL_ERROR"],
  "DATA on an idle stream (5.1)": [data(1, "a"), "PROTOCOL_ERROR"],
  "padding as long as its frame (6.1)": [
    Buffer.concat([headers(1, POST, 0), frame(FrameType.Data, Flag.Padded, 1, "\x01")]),
    "PROTOCOL_ERROR",
  ],
  "padding in an empty frame (6.1)": [
    Buffer.concat([headers(1, POST, 0), frame(FrameType.Data, Flag.Padded, 1)]),
    "PROTOCOL_ERROR",
  ],
  "HEADERS on stream 0 (6.2)": [headers(0, POST), "PROTOCOL_ERROR"],
  "HEADERS on an even stream (5.1.1)": [headers(2, POST), "PROTOCOL_ERROR"],
  "HEADERS on a stream that was skipped (5.1.1)": [
    Buffer.concat([headers(1, POST), headers(7, POST), headers(5, POST)]),
    "PROTOCOL_ERROR",
  ],
  "HEADERS on a closed stream (5.1)": [Buffer.concat([headers(1, POST), headers(1, POST)]), "STREAM_CLOSED"],
  "PRIORITY on stream 0 (6.3)": [frame(FrameType.Priority, 0, 0, "12345"), "PROTOCOL_ERROR"],
  "RST_STREAM on an idle stream (6.4)": [rstStream(1), "PROTOCOL_ERROR"],
  "RST_STREAM on stream 0 (6.4)": [rstStream(0), "PROTOCOL_ERROR"],
  "RST_STREAM of three bytes (6.4)": [
    Buffer.concat([headers(1, POST, 0), frame(FrameType.RstStream, 0, 1, "123")]),
    "FRAME_SIZE_ERROR",
  ],
  "SETTINGS on a stream (6.5)": [frame(FrameType.Settings, 0, 1), "PROTOCOL_ERROR"],
  "SETTINGS of seven bytes (6.5)": [frame(FrameType.Settings, 0, 0, "1234567"), "FRAME_SIZE_ERROR"],
  "an acknowledgement with a payload (6.5)": [frame(FrameType.Settings, Flag.Ack, 0, "123456"), "FRAME_SIZE_ERROR"],
  "SETTINGS_ENABLE_PUSH of 2 (6.5.2)": [settings([SettingId.EnablePush, 2]), "PROTOCOL_ERROR"],
  "SETTINGS_INITIAL_WINDOW_SIZE over 2^31-1 (6.5.2)": [
    settings([SettingId.InitialWindowSize, 0x8000_0000]),
    "FLOW_CONTROL_ERROR",
  ],
  "SETTINGS_MAX_FRAME_SIZE under 16384 (6.5.2)": [settings([SettingId.MaxFrameSize, 16_383]), "PROTOCOL_ERROR"],
  "SETTINGS_MAX_FRAME_SIZE over 16777215 (6.5.2)": [settings([SettingId.MaxFrameSize, 1 << 24]), "PROTOCOL_ERROR"],
  "PUSH_PROMISE (8.4)": [frame(FrameType.PushPromise, Flag.EndHeaders, 1, uint32(2)), "PROTOCOL_ERROR"],
  "PING on a stream (6.7)": [frame(FrameType.Ping, 0, 1, "12345678"), "PROTOCOL_ERROR"],
  "PING of nine bytes (6.7)": [ping("123456789"), "FRAME_SIZE_ERROR"],
  "GOAWAY on a stream (6.8)": [frame(FrameType.Goaway, 0, 1, uint32(0, 0)), "PROTOCOL_ERROR"],
  "GOAWAY of four bytes (6.8)": [frame(FrameType.Goaway, 0, 0, uint32(0)), "FRAME_SIZE_ERROR"],
  "WINDOW_UPDATE of the connection by 0 (6.9)": [windowUpdate(0, 0), "PROTOCOL_ERROR"],
  "WINDOW_UPDATE of three bytes (6.9)": [frame(FrameType.WindowUpdate, 0, 0, "123"), "FRAME_SIZE_ERROR"],
  "WINDOW_UPDATE on an idle stream (5.1)": [windowUpdate(1, 1), "PROTOCOL_ERROR"],
  "a connection's window over 2^31-1 (6.9.1)": [windowUpdate(0, 0x7fff_ffff), "FLOW_CONTROL_ERROR"],
  "CONTINUATION without HEADERS (6.10)": [frame(FrameType.Continuation, 0, 1), "PROTOCOL_ERROR"],
  "PING inside a field block (6.10)": [
    Buffer.concat([frame(FrameType.Headers, 0, 1, encodeBlock(POST)), ping()]),
    "PROTOCOL_ERROR",
  ],
  "CONTINUATION of another stream inside a field block (6.10)": [
    Buffer.concat([frame(FrameType.Headers, 0, 1, encodeBlock(POST)), frame(FrameType.Continuation, 4, 3)]),
    "PROTOCOL_ERROR",
  ],
  "a frame over SETTINGS_MAX_FRAME_SIZE (4.2)": [frame(0x20, 0, 0, Buffer.alloc(16_385)), "FRAME_SIZE_ERROR"],
  "a field block that cannot be decoded (4.3)": [
    frame(FrameType.Headers, Flag.EndHeaders, 1, "\x80"),
    "COMPRESSION_ERROR",
  ],
  "trailers that cannot be decoded (4.3)": [
    Buffer.concat([headers(1, POST, 0), frame(FrameType.Headers, 5, 1, "\x80")]),
    "COMPRESSION_ERROR",
  ],
  "HEADERS too short for its priority (6.2)": [
    frame(FrameType.Headers, Flag.EndHeaders | Flag.Priority, 1, "1234"),
    "FRAME_SIZE_ERROR",
  ],
};

for (const [name, [bytes, code]] of Object.entries(CONNECTION_ERRORS)) {
  test(`${name} ends the connection with ${code} and a message`, () => {
    const harness = Harness.settled();
    assert.match(harness.send(bytes).at(-1) ?? "", new RegExp(`^Goaway \\d+ ${code}: .`));
    assert.ok(harness.connection.isClosed);
    assert.deepEqual(harness.send(headers(9, GET)), [], "nothing is sent after GOAWAY");
    assert.deepEqual(harness.errors, []);
  });
}

for (const [name, first] of [
  ["an invalid preface", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  ["a first frame that is not SETTINGS", Buffer.concat([PREFACE, ping()])],
] as const) {
  test(`${name} ends the connection with PROTOCOL_ERROR (3.4)`, () => {
    assert.match(new Harness().send(first).at(-1) ?? "", /^Goaway 0 PROTOCOL_ERROR: /);
  });
}

/** Frames that reset a stream after its HEADERS, and the error code of its RST_STREAM. */
const STREAM_ERRORS: Record<string, readonly [bytes: Buffer, code: string]> = {
  "PRIORITY of four bytes (6.3)": [frame(FrameType.Priority, 0, 1, "1234"), "FRAME_SIZE_ERROR"],
  "WINDOW_UPDATE by 0 (6.9)": [windowUpdate(1, 0), "PROTOCOL_ERROR"],
  "a window over 2^31-1 (6.9.1)": [windowUpdate(1, 0x7fff_ffff), "FLOW_CONTROL_ERROR"],
};

for (const [name, [bytes, code]] of Object.entries(STREAM_ERRORS)) {
  test(`${name} resets the stream with ${code}, and the connection stays open`, () => {
    const harness = Harness.settled();
    assert.deepEqual(harness.send(headers(1, POST, 0), bytes), [`RstStream 1 ${code}`]);
    assert.deepEqual(harness.send(headers(3, GET)), ["Headers 3 200 end"]);
  });
}

for (const [name, bytes] of [
  ["DATA", data(1, "b")],
  ["HEADERS", headers(1, [["x", "1"]])],
] as const) {
  test(`${name} on a half-closed stream resets it with STREAM_CLOSED (5.1)`, () => {
    const harness = Harness.settled(() => {});
    assert.deepEqual(harness.send(headers(1, POST), bytes), ["RstStream 1 STREAM_CLOSED"]);
  });
}

test("DATA on a closed stream resets it with STREAM_CLOSED (5.1)", () => {
  assert.deepEqual(Harness.settled().send(headers(1, POST), data(1, "a")), [
    "Headers 1 200 end",
    "RstStream 1 STREAM_CLOSED",
  ]);
});

test("WINDOW_UPDATE, PRIORITY and RST_STREAM on a closed stream are not errors (5.1)", () => {
  const priority = frame(FrameType.Priority, 0, 1, Buffer.alloc(5));
  assert.deepEqual(Harness.settled().send(headers(1, POST), windowUpdate(1, 1), priority, rstStream(1)), [
    "Headers 1 200 end",
  ]);
});

test("frames of an unknown type are ignored (4.1)", () => {
  assert.deepEqual(Harness.settled().send(frame(0x42, 0xff, 3, "abc"), headers(1, GET)), ["Headers 1 200 end"]);
});

test("unknown settings are ignored (6.5.2)", () => {
  assert.deepEqual(Harness.settled().send(settings([0x42, 1])), ["Settings ack"]);
});

test("priority in HEADERS and in PRIORITY is read and ignored (5.3.2)", () => {
  const block = Buffer.concat([uint32(0), Buffer.of(16), encodeBlock(GET)]);
  const sent = Harness.settled().send(
    frame(FrameType.Priority, 0, 9, Buffer.alloc(5)),
    frame(FrameType.Headers, Flag.EndHeaders | Flag.EndStream | Flag.Priority, 1, block),
  );
  assert.deepEqual(sent, ["Headers 1 200 end"]);
});

test("padding is not a part of a field block or a body (6.1, 6.2)", () => {
  const flags = Flag.EndHeaders | Flag.Padded;
  const sent = Harness.settled().send(
    frame(FrameType.Headers, flags, 1, Buffer.concat([Buffer.of(3), encodeBlock(POST), Buffer.alloc(3)])),
    frame(FrameType.Data, Flag.Padded, 1, "\x02ab\0\0"),
    frame(FrameType.Data, Flag.Padded | Flag.EndStream, 1, "\x00c"),
  );
  assert.deepEqual(sent, ["Headers 1 200", "Data 1 3 end"]);
});

test("a field block may be split into many frames (6.10)", () => {
  const block = encodeBlock(GET);
  const sent = Harness.settled().send(
    frame(FrameType.Headers, Flag.EndStream, 1, block.subarray(0, 3)),
    frame(FrameType.Continuation, 0, 1),
    frame(FrameType.Continuation, 0, 1, block.subarray(3, 9)),
    frame(FrameType.Continuation, Flag.EndHeaders, 1, block.subarray(9)),
  );
  assert.deepEqual(sent, ["Headers 1 200 end"]);
});

test("a response head of over 16384 bytes is sent as HEADERS and CONTINUATION (6.10)", () => {
  const fields = Array.from({ length: 4 }, (_, i) => [`x-${i}`, "\xff".repeat(10_000)] as const);
  const harness = Harness.settled((exchange) => exchange.respond({ status: 200, fields }, Buffer.from("a")));
  harness.send(headers(1, GET));
  harness.connection.receive(headers(3, GET));
  const frames = harness.frames();
  assert.deepEqual(
    frames.map(({ type, flags, payload }) => [type, flags, payload.length <= 16_384]),
    [
      [FrameType.Headers, 0, true],
      [FrameType.Continuation, 0, true],
      [FrameType.Continuation, Flag.EndHeaders, true],
      [FrameType.Data, Flag.EndStream, true],
    ],
  );
});

test("PING is acknowledged with the same bytes (6.7)", () => {
  const harness = Harness.settled();
  harness.connection.receive(ping("abcdefgh"));
  assert.equal(harness.frames()[0]?.payload.toString(), "abcdefgh");
});

test("a smaller header table of the peer is acknowledged once, by a size update to 0 (RFC 7541, 4.2)", () => {
  for (const size of [0, 1024]) {
    const harness = Harness.settled();
    harness.connection.receive(settings([SettingId.HeaderTableSize, size]));
    harness.connection.receive(settings([SettingId.HeaderTableSize, 4096]));
    harness.frames();
    harness.connection.receive(Buffer.concat([headers(1, GET), headers(3, GET)]));
    const [first, second] = harness.frames();
    assert.equal(first?.payload[0], 0x20);
    assert.equal(second?.payload[0], 0x88);
    harness.connection.receive(Buffer.concat([settings([SettingId.HeaderTableSize, 0]), headers(5, GET)]));
    assert.equal(harness.frames()[1]?.payload[0], 0x88, "the table has 0 bytes already");
  }
});

test("streams above SETTINGS_MAX_CONCURRENT_STREAMS are refused (5.1.2), and none if that limit is off", () => {
  const ignore = () => {};
  const open = (limit: number) =>
    Harness.settled(ignore, { concurrentStreams: limit }).send(headers(1, GET), headers(3, GET), headers(5, GET));
  assert.deepEqual(open(2), ["RstStream 5 REFUSED_STREAM"]);
  assert.deepEqual(open(Number.POSITIVE_INFINITY), []);
});

test("after GOAWAY of the client, the end of the last stream ends the connection (6.8)", () => {
  const harness = Harness.settled(() => {});
  harness.send(headers(1, GET), frame(FrameType.Goaway, 0, 0, uint32(0, 0)));
  assert.equal(harness.connection.isClosed, false);
  harness.exchanges[0]?.respond(OK, Buffer.alloc(0));
  assert.deepEqual(harness.sent(), ["Headers 1 200 end"]);
  assert.ok(harness.connection.isClosed);
});

test("late frames for a stream that the server has reset are ignored (5.1)", () => {
  const harness = Harness.settled((exchange) => exchange.reset());
  const sent = harness.send(headers(1, POST, 0), data(1, "abc", 0), headers(1, [["x", "1"]]), ping());
  assert.deepEqual(sent, ["RstStream 1 CANCEL", "Ping ack"]);
});

test("before SETTINGS are acknowledged, a peer may use the initial window (6.9.3)", () => {
  const half = Buffer.alloc(16_000);
  const limits = { streamWindowBytes: 20_000 };
  const frames = [headers(1, POST, 0), data(1, half, 0), data(1, half, 0)];
  const harness = new Harness(() => {}, limits);
  assert.deepEqual(harness.send(PREFACE, settings(), ...frames).slice(-1), ["Settings ack"]);
  const settled = Harness.settled(() => {}, limits);
  assert.deepEqual(settled.send(...frames), ["RstStream 1 FLOW_CONTROL_ERROR"]);
});

test("the connection's window is freed whenever half of it is used, even if the bytes are not read (6.9)", () => {
  const harness = Harness.settled(() => {}, { connectionWindowBytes: 65_535, streamWindowBytes: 1 << 20 });
  assert.deepEqual(harness.send(headers(1, POST, 0), data(1, Buffer.alloc(16_384), 0)), []);
  assert.deepEqual(harness.send(data(1, Buffer.alloc(16_384), 0)), ["WindowUpdate 0 32768"]);
});

test("an acknowledgement of SETTINGS is not acknowledged (6.5.3)", () => {
  assert.deepEqual(Harness.settled().send(SETTINGS_ACK), []);
});
