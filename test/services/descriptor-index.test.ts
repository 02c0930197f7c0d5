/** Tests the index of descriptors: every kind of symbol, extensions, dependencies, and the compiler's own bytes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { closure, DescriptorIndex } from "../../src/server/services/descriptor-index.ts";
import { CallService } from "../gen/calls/v1/calls_pb.ts";
import { compile, Echo, Kinds } from "../support/protos.ts";

const index = new DescriptorIndex([Kinds, Echo]);

test("the services are listed in their order", () => {
  assert.deepEqual(index.services, ["fixture.Kinds", "fixture.Echo"]);
});

test("a file is found by the name it is imported by", () => {
  for (const name of ["kinds.proto", "left.proto", "bottom.proto", "google/protobuf/wrappers.proto"]) {
    assert.equal(index.file(name)?.proto.name, name);
  }
  for (const name of ["kinds", "", "test/fixtures/protos/kinds.proto", "no.proto"]) {
    assert.equal(index.file(name), undefined, name);
  }
});

for (const [kind, names] of Object.entries({
  service: ["fixture.Kinds"],
  method: ["fixture.Kinds.Look"],
  message: ["fixture.Outer"],
  "nested message": ["fixture.Outer.Inner", "fixture.Outer.Extra"],
  field: ["fixture.Outer.left", "fixture.Outer.name", "fixture.Outer.extra", "fixture.Outer.Inner.depth"],
  oneof: ["fixture.Outer.choice"],
  enum: ["fixture.Size"],
  "nested enum": ["fixture.Outer.Color", "fixture.Outer.Inner.Depth"],
  "enum value": ["fixture.SMALL", "fixture.LARGE"],
  "nested enum's value": ["fixture.Outer.RED", "fixture.Outer.GREEN", "fixture.Outer.Inner.DEEP"],
  extension: ["fixture.mark"],
  "nested extension": ["fixture.Outer.nested_mark"],
})) {
  test(`the file of a ${kind} is found by the full name`, () => {
    for (const name of names) assert.equal(index.fileOfSymbol(name)?.proto.name, "kinds.proto", name);
  });
}

test("symbols of imported files are found", () => {
  assert.equal(index.fileOfSymbol("fixture.Bottom")?.proto.name, "bottom.proto");
  assert.equal(index.fileOfSymbol("google.protobuf.StringValue.value")?.proto.name, "google/protobuf/wrappers.proto");
});

test("symbols in no package are found by their bare names", () => {
  for (const name of ["Bare", "Bare.text", "BareEnum", "BARE_ZERO"]) {
    assert.equal(index.fileOfSymbol(name)?.proto.name, "bare.proto", name);
  }
});

test("a name that is not a symbol's full name is not found", () => {
  // A package, a value under its enum, a message without its package, a leading dot, a method by its path.
  for (const name of [
    "",
    "fixture",
    "fixture.Size.SMALL",
    "Kinds",
    ".fixture.Kinds",
    "fixture.Kinds/Look",
    "toString",
  ]) {
    assert.equal(index.fileOfSymbol(name), undefined, name);
  }
});

test("an extension is found by the message it extends and its number", () => {
  assert.equal(index.fileOfExtension("fixture.Outer", 100)?.proto.name, "kinds.proto");
  assert.equal(index.fileOfExtension("fixture.Outer", 107)?.proto.name, "kinds.proto");
  assert.equal(index.fileOfExtension("fixture.Outer", 101), undefined);
  assert.equal(index.fileOfExtension("fixture.Left", 100), undefined);
});

test("the numbers of a message's extensions are listed, also if it has none", () => {
  assert.deepEqual(index.extensionNumbers("fixture.Outer")?.sort(), [100, 107]);
  assert.deepEqual(index.extensionNumbers("fixture.Left"), []);
  assert.equal(index.extensionNumbers("fixture.Size"), undefined);
  assert.equal(index.extensionNumbers("no.Such"), undefined);
});

test("the closure of a file is the file, and then every import once", () => {
  const names = [...closure(Kinds.file)].map(({ proto }) => proto.name);
  assert.equal(names[0], "kinds.proto");
  assert.deepEqual(names.slice(1).sort(), ["bare.proto", "bottom.proto", "left.proto", "right.proto"]);
});

test("the bytes of a file are those of the compiler", () => {
  for (const [service, folder] of [
    [CallService, "test/proto"],
    [Kinds, "test/fixtures/protos"],
    [Echo, "test/fixtures/protos"],
  ] as const) {
    const compiled = new Map(compile(folder).file.map((file) => [file.name, file]));
    for (const file of closure(service.file)) {
      const expected = compiled.get(file.proto.name);
      assert.ok(expected, file.proto.name);
      assert.deepEqual(
        new DescriptorIndex([]).bytes(file),
        toBinary(FileDescriptorProtoSchema, expected),
        file.proto.name,
      );
    }
  }
});
