/**
 * Tests the parts of bytes: each byte is in one part, and the values are those of protobuf-es, JSON.parse and the
 * frames.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type DescMessage, fromBinary, type Message, toBinary, toJsonString } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { bodyParts } from "../../web/annotate/body.ts";
import { frameParts } from "../../web/annotate/frames.ts";
import { jsonParts } from "../../web/annotate/json.ts";
import { messageParts } from "../../web/annotate/message.ts";
import { type DecodedValue, type Part, valuesIn } from "../../web/annotate/part.ts";
import { requestTargetParts } from "../../web/annotate/request-target.ts";
import { AddRequestSchema } from "../gen/calls/v1/calls_pb.ts";
import { envelope } from "../support/cells.ts";
import { compile, Outer, Scalars } from "../support/protos.ts";
import { Random } from "../support/random.ts";
import { randomMessage } from "../support/random-message.ts";

const DESCRIPTORS: readonly DescMessage[] = [AddRequestSchema, Scalars, Outer];
const RUNS = 300;

test("a string of any length is one part", () => {
  const text = JSON.stringify(`${"x".repeat(15_000_000)}${'"'.repeat(3_000_000)}`);
  const parts = jsonParts(Buffer.from(`[${text}, 1]`));
  assert.deepEqual(
    parts.map(({ start, end }) => end - start),
    [1, text.length, 1, 1, 1, 1],
  );
  assert.deepEqual(malformed(jsonParts(Buffer.from(text.slice(0, -1)))).length, 1);
});

test("a body of many frames is read in a time that is linear in them", () => {
  assert.equal(frameParts(Buffer.alloc(5 * 100_000), () => []).length, 2 * 100_000);
});

for (const desc of DESCRIPTORS) {
  test(`random messages of ${desc.typeName}: every byte is in one part, and the values are protobuf-es's`, () => {
    const random = new Random(1);
    for (let run = 0; run < RUNS; run++) {
      const bytes = toBinary(desc, randomMessage(random, desc));
      const parts = messageParts(bytes, desc);
      assertCovers(parts, bytes.length);
      assert.deepEqual(malformed(parts), []);
      assert.deepEqual(sorted(valuesIn(parts)), sorted(flatten(desc, fromBinary(desc, bytes))));
    }
  });

  test(`random messages of ${desc.typeName} in JSON: every byte is in one part, and the values are JSON.parse's`, () => {
    const random = new Random(2);
    for (let run = 0; run < RUNS; run++) {
      const text = toJsonString(desc, randomMessage(random, desc), { prettySpaces: random.below(3) });
      const bytes = Buffer.from(text);
      const parts = jsonParts(bytes);
      assertCovers(parts, bytes.length);
      assert.deepEqual(malformed(parts), []);
      assert.deepEqual(valuesIn(parts), flattenJson(JSON.parse(text), ""));
    }
  });

  test(`damaged messages of ${desc.typeName} do not throw, and every byte is in one part`, () => {
    const random = new Random(3);
    let damaged = 0;
    for (let run = 0; run < RUNS; run++) {
      const message = randomMessage(random, desc);
      for (const whole of [toBinary(desc, message), Buffer.from(toJsonString(desc, message))]) {
        const bytes = damage(random, whole);
        for (const type of ["application/proto", "application/json", "application/grpc-web+proto", "text/plain"]) {
          const body = type.includes("grpc") ? damage(random, envelope(Buffer.from(whole))) : bytes;
          const parts = bodyParts(type, body, desc);
          assertCovers(parts, body.length);
          damaged += malformed(parts).length;
        }
      }
    }
    assert.ok(damaged > RUNS, "nothing was damaged enough to be seen");
  });
}

test("a file of descriptors has the values that protobuf-es reads", () => {
  const files = compile("test/fixtures/protos");
  const bytes = toBinary(FileDescriptorSetSchema, files);
  const parts = messageParts(bytes, FileDescriptorSetSchema);
  assertCovers(parts, bytes.length);
  assert.deepEqual(
    sorted(valuesIn(parts)),
    sorted(flatten(FileDescriptorSetSchema, fromBinary(FileDescriptorSetSchema, bytes))),
  );
});

test("a message of two numbers is four parts: a tag and a value for each", () => {
  assert.deepEqual(messageParts(Buffer.from("0801109601", "hex"), AddRequestSchema), [
    { start: 0, end: 1, annotation: { kind: "tag", number: 1, wireType: 0, field: "a" }, path: "a" },
    { start: 1, end: 2, annotation: { kind: "value", type: "int32", value: 1 }, path: "a" },
    { start: 2, end: 3, annotation: { kind: "tag", number: 2, wireType: 0, field: "b" }, path: "b" },
    { start: 3, end: 5, annotation: { kind: "value", type: "int32", value: 150 }, path: "b" },
  ]);
});

test("fields that the descriptor does not know are read by their wire type", () => {
  const random = new Random(4);
  for (let run = 0; run < RUNS; run++) {
    const bytes = toBinary(Scalars, randomMessage(random, Scalars));
    const parts = messageParts(bytes, { ...AddRequestSchema, fields: [] });
    assertCovers(parts, bytes.length);
    assert.deepEqual(malformed(parts), []);
  }
});

test("a field with another wire type than its own is read as an unknown field", () => {
  const parts = messageParts(Uint8Array.of(0x0a, 1, 0x61), AddRequestSchema);
  assert.deepEqual(valuesIn(parts), [{ path: "#1", value: Uint8Array.of(0x61) }]);
});

for (const [name, hex] of [
  ["a tag with no value", "08"],
  ["a varint with no end", "0880"],
  ["a length with less after it", "0a05616263"],
  ["field number 0", "0001"],
  ["a wire type that does not exist", "0f"],
  ["the end of a group that did not begin", "0c"],
] as const) {
  test(`${name} is malformed`, () => {
    const bytes = Buffer.from(hex, "hex");
    const parts = messageParts(bytes, AddRequestSchema);
    assertCovers(parts, bytes.length);
    assert.equal(malformed(parts).length, 1);
    assert.throws(() => fromBinary(AddRequestSchema, bytes));
  });
}

for (const [name, bytes] of [
  ["messages", nested((inner) => new BinaryWriter().tag(2000, WireType.LengthDelimited).bytes(inner).finish())],
  ["groups", Buffer.alloc(1_000, 0x0b)],
] as const) {
  test(`a thousand nested ${name} are read up to a depth`, () => {
    const parts = messageParts(bytes, Scalars);
    assertCovers(parts, bytes.length);
    assert.equal(parts.at(-1)?.annotation.kind, "opaque");
  });
}

test("a body of gRPC-Web is frames: messages, and trailers line by line", () => {
  const message = Buffer.from("0801", "hex");
  const trailers = envelope(Buffer.from("grpc-status: 0\r\ngrpc-message: a b\r\nx:\r\n"), 0x80);
  const body = Buffer.concat([envelope(message), trailers]);
  const parts = frameParts(body, (content) => messageParts(content, AddRequestSchema));
  assertCovers(parts, body.length);
  assert.deepEqual(malformed(parts), []);
  assert.deepEqual(
    parts
      .filter(({ annotation }) => annotation.kind === "flag")
      .map(({ start, annotation }) => [start, "content" in annotation && annotation.content]),
    [
      [0, "message"],
      [7, "trailers"],
    ],
  );
  assert.deepEqual(valuesIn(parts), [
    { path: "a", value: 1 },
    { path: "grpc-status", value: "0" },
    { path: "grpc-message", value: "a b" },
  ]);
});

test("a frame with more fields than a function can have arguments is read as any other", () => {
  const fields = 200_000;
  const body = envelope(Buffer.from("0801".repeat(fields), "hex"));
  const parts = frameParts(body, (content) => messageParts(content, AddRequestSchema));
  assertCovers(parts, body.length);
  assert.equal(parts.length, 2 + 2 * fields);
  const target = `/a.B/C?encoding=json&message=[${"1,".repeat(fields)}1]`;
  assertCovers(requestTargetParts(target), target.length);
});

test("a body of a Connect stream is frames: messages, and the end of the stream in JSON", () => {
  const end = Buffer.from('{"error":{"code":"aborted"},"metadata":{"x":["1"]}}');
  for (const [contentType, message] of [
    ["application/connect+json", Buffer.from('{"a":1}')],
    ["application/connect+proto; charset=x", Buffer.from("0801", "hex")],
  ] as const) {
    const body = Buffer.concat([envelope(message), envelope(end, 0x02)]);
    const parts = bodyParts(contentType, body, AddRequestSchema);
    assertCovers(parts, body.length);
    assert.deepEqual(malformed(parts), []);
    const flags = parts.filter(({ annotation }) => annotation.kind === "flag");
    assert.deepEqual(
      flags.map(({ annotation }) => "content" in annotation && annotation.content),
      ["message", "end-stream"],
    );
    assert.deepEqual(valuesIn(parts), [
      { path: "a", value: 1 },
      { path: "error.code", value: "aborted" },
      { path: "metadata.x[0]", value: "1" },
    ]);
    for (let bytes = 0; bytes < body.length; bytes++) {
      assertCovers(bodyParts(contentType, body.subarray(0, bytes), AddRequestSchema), bytes);
    }
  }
});

test("a compressed frame is one part after its prefix", () => {
  const parts = frameParts(envelope(Buffer.from("xyz"), 1), () => []);
  assert.deepEqual(
    parts.map(({ annotation }) => annotation.kind),
    ["flag", "frame-length", "compressed"],
  );
});

test("a Connect GET's target has the message's values in its query, percent-encoded or not", () => {
  const random = new Random(5);
  for (let run = 0; run < RUNS; run++) {
    const text = toJsonString(Scalars, randomMessage(random, Scalars));
    for (const encoded of [encodeURIComponent(text), new URLSearchParams({ message: text }).toString().slice(8)]) {
      const target = `/a.B/C?connect=v1&encoding=json&message=${encoded}&x`;
      const parts = requestTargetParts(target);
      assertCovers(parts, target.length);
      const own = [
        { path: "connect", value: "v1" },
        { path: "encoding", value: "json" },
      ];
      assert.deepEqual(valuesIn(parts), [...own, ...flattenJson(JSON.parse(text), "")]);
    }
  }
});

test("a damaged target does not throw, and every character is in one part", () => {
  const random = new Random(6);
  for (let run = 0; run < RUNS; run++) {
    const target = `/a.B/C?${Array.from({ length: random.below(30) }, () => random.pick([...'&=?%7B{}"a:+message encoding=json'])).join("")}`;
    assertCovers(requestTargetParts(target), target.length);
  }
});

/** Fails unless the parts follow each other from the first byte to the last. */
function assertCovers(parts: readonly Part[], length: number): void {
  let at = 0;
  for (const { start, end, annotation } of parts) {
    assert.equal(start, at);
    assert.ok(
      end > start || annotation.kind === "value" || annotation.kind === "malformed",
      `${annotation.kind} of no bytes`,
    );
    at = end;
  }
  assert.equal(at, length);
}

function malformed(parts: readonly Part[]): Part[] {
  return parts.filter(({ annotation }) => annotation.kind === "malformed");
}

/** Returns the bytes, cut at a random place, with a random byte changed. */
function damage(random: Random, bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes.subarray(0, random.below(bytes.length + 1)));
  if (copy.length > 0) copy[random.below(copy.length)] = random.below(256);
  return copy;
}

function nested(wrap: (inner: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>): Uint8Array {
  let bytes = new Uint8Array();
  for (let depth = 0; depth < 1_000; depth++) bytes = wrap(bytes);
  return bytes;
}

/** Sorts values by their paths: the binary format has them in the order of field numbers. */
function sorted(values: readonly DecodedValue[]): DecodedValue[] {
  return values.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

function flatten(desc: DescMessage, message: Message, path = ""): DecodedValue[] {
  const view = reflect(desc, message);
  return view.fields
    .filter((field) => view.isSet(field))
    .flatMap((field) => {
      const name = path === "" ? field.jsonName : `${path}.${field.jsonName}`;
      const one = (value: unknown, at: string): DecodedValue[] =>
        field.message === undefined
          ? [{ path: at, value } as DecodedValue]
          : flatten(field.message, (value as { message: Message }).message, at);
      if (field.fieldKind === "list") return [...view.get(field)].flatMap((value, i) => one(value, `${name}[${i}]`));
      if (field.fieldKind !== "map") return one(view.get(field), name);
      return [...view.get(field)].flatMap(([key, value], i) => [
        { path: `${name}[${i}].key`, value: key } as DecodedValue,
        ...one(value, `${name}[${i}].value`),
      ]);
    });
}

function flattenJson(value: unknown, path: string): DecodedValue[] {
  if (value === null || typeof value !== "object") return [{ path, value } as DecodedValue];
  if (Array.isArray(value)) return value.flatMap((each, i) => flattenJson(each, `${path}[${i}]`));
  return Object.entries(value).flatMap(([key, each]) => flattenJson(each, path === "" ? key : `${path}.${key}`));
}
