/** The encoder writes the same bytes, and throws the same errors, as `toBinary` of protobuf-es. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import { createEncoder } from "../../../src/server/rpc/fast-path/encoder.ts";
import { AddRequestSchema, AddResponseSchema } from "../../gen/calls/v1/calls_pb.ts";
import { UploadResponseSchema } from "../../gen/streams/v1/streams_pb.ts";
import { compileContract, Outer, Scalars } from "../../support/protos.ts";
import { Random } from "../../support/random.ts";
import { randomMessage } from "../../support/random-message.ts";

const SCALARS =
  "double float int32 int64 uint32 uint64 sint32 sint64 fixed32 fixed64 sfixed32 sfixed64 bool string bytes";
const TYPES = [...SCALARS.split(" "), "Color", "Tree", "google.protobuf.Timestamp"];
const isMessage = (type: string): boolean => /^(Tree|google)/.test(type);

/** Returns a message with singular, optional and repeated fields of all types, and with fields of a oneof. */
function contract(): string {
  const fields: string[] = [];
  let number = 700; // The order of the fields is not that of their numbers.
  const add = (line: string) => fields.push(`${line} = ${number--};`);
  for (const type of TYPES) {
    const name = type.replaceAll(".", "_").toLowerCase();
    add(`${type} one_${name}`);
    add(`optional ${type} optional_${name}`);
    add(`repeated ${type} many_${name}`);
  }
  for (const type of TYPES) {
    if (!isMessage(type) && !["string", "bytes"].includes(type)) {
      fields.push(`repeated ${type} unpacked_${type.toLowerCase()} = ${number--} [packed = false];`);
    }
  }
  const oneof = TYPES.map((type) => `${type} case_${type.replaceAll(".", "_").toLowerCase()} = ${number--};`);
  return `syntax = "proto3";
package t;
import "google/protobuf/timestamp.proto";
enum Color { RED = 0; GREEN = 1; BLUE = -1; }
message Tree { ${fields.join(" ")} oneof choice { ${oneof.join(" ")} } }`;
}

function agree(desc: DescMessage, message: Message, what: string): void {
  const encode = createEncoder(desc, (value) => toBinary(desc, value as never));
  assert.deepEqual(Buffer.from(encode(message)), Buffer.from(toBinary(desc, message as never)), what);
}

test("random messages with fields of every type have the bytes of toBinary", (t) => {
  const tree = compileContract(t, contract()).getMessage("t.Tree") as DescMessage;
  const random = new Random(20_261_129);
  let fallbacks = 0;
  const encode = createEncoder(tree, (message) => {
    fallbacks++;
    return toBinary(tree, message as never);
  });
  for (let i = 0; i < 300; i++) {
    const message = randomMessage(random, tree, 2);
    assert.deepEqual(Buffer.from(encode(message)), Buffer.from(toBinary(tree, message)), `message ${i}`);
  }
  assert.equal(fallbacks, 0);
});

test("messages of types that are left to toBinary have its bytes", () => {
  const random = new Random(1);
  for (const desc of [Scalars, Outer, StringValueSchema as DescMessage]) {
    for (let i = 0; i < 50; i++) agree(desc, randomMessage(random, desc), `${desc.typeName} ${i}`);
  }
});

test("unknown fields are kept", () => {
  const message = fromBinary(AddResponseSchema, Buffer.from("08031a0161", "hex"));
  agree(AddResponseSchema, message, "an unknown field");
  assert.equal(Buffer.from(toBinary(AddResponseSchema, message)).toString("hex"), "08031a0161");
});

test("an invalid message gets the error of toBinary, and the next message is encoded", () => {
  const encode = createEncoder(UploadResponseSchema, (message) => toBinary(UploadResponseSchema, message as never));
  for (const wrong of [{ count: -1 }, { count: 1.5 }, { bytes: "x" }, { bytes: {} }, { count: undefined }]) {
    const message = Object.assign(create(UploadResponseSchema, { count: 7 }), wrong) as Message;
    let expected: unknown;
    try {
      toBinary(UploadResponseSchema, message as never);
    } catch (error) {
      expected = error;
    }
    assert.ok(expected instanceof Error);
    assert.throws(() => encode(message), { message: expected.message });
    const right = create(UploadResponseSchema, { count: 7, bytes: 1n });
    assert.equal(Buffer.from(encode(right)).toString("hex"), "08071001");
  }
  assert.throws(() => encode(create(AddRequestSchema, { a: 1 })), /cannot use .* with message calls\.v1\.AddRequest/);
});

test("messages do not share memory with each other", () => {
  const encode = createEncoder(StringValueSchema, (message) => toBinary(StringValueSchema, message as never));
  const [first, second] = ["a".repeat(100), "b".repeat(200_000)].map((value) =>
    encode(create(StringValueSchema, { value })),
  );
  assert.ok(first !== undefined && second !== undefined && first.buffer !== second.buffer);
  assert.deepEqual([first.byteLength, first.buffer.byteLength], [102, 102]);
  assert.equal(second.buffer.byteLength, second.byteLength);
});
