/** Tests that the contract equals that of the tutorial to the byte, and that `buf breaking` holds it to that. */
import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { clearField, clone, create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type FieldDescriptorProto,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  MethodOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import { file_service } from "../../gen/service_pb.ts";
import { ROOT, run } from "../support/command.ts";

const POST = join(import.meta.dirname, "post");
const BASELINE = join(POST, "baseline.binpb");

test("the descriptor without the idempotency level is the one in the tutorial", async () => {
  const ours = clone(FileDescriptorProtoSchema, file_service.proto);
  for (const method of ours.service.flatMap((service) => service.method)) method.options = create(MethodOptionsSchema);
  for (const field of ours.messageType.flatMap((message) => message.field)) clearJsonName(field);
  assert.deepEqual(Buffer.from(toBinary(FileDescriptorProtoSchema, ours)), await printedDescriptor());
});

test("the baseline of buf breaking is the post's descriptor with the JSON names that follow from it", async () => {
  const { file } = fromBinary(FileDescriptorSetSchema, await readFile(BASELINE));
  for (const field of file.flatMap(({ messageType }) => messageType).flatMap((message) => message.field)) {
    assert.equal(field.jsonName, field.name);
    clearJsonName(field);
  }
  assert.deepEqual(
    file.map((each) => Buffer.from(toBinary(FileDescriptorProtoSchema, each))),
    [await printedDescriptor()],
  );
});

for (const { name, from, to } of [
  { name: "a renamed field", from: "int32 a = 1", to: "int32 x = 1" },
  { name: "a changed number", from: "int32 b = 2", to: "int32 b = 3" },
  { name: "a changed type", from: "int32 sum = 1", to: "int64 sum = 1" },
  { name: "a renamed method", from: "rpc GetSum(", to: "rpc Add(" },
  { name: "a removed message field", from: "int32 b = 2;", to: "" },
]) {
  test(`buf breaking reports ${name}`, async (t) => {
    const folder = await temporaryFolder(t);
    await cp(join(ROOT, "buf.yaml"), join(folder, "buf.yaml"));
    await cp(join(ROOT, "proto"), join(folder, "proto"), { recursive: true });
    const unchanged = await run("buf", ["breaking", "--against", BASELINE], { cwd: folder });
    assert.deepEqual(unchanged, { code: 0, stdout: "", stderr: "" });

    const path = join(folder, "proto/service.proto");
    const proto = await readFile(path, "utf8");
    assert.ok(proto.includes(from));
    await writeFile(path, proto.replace(from, to));
    const { code, stdout } = await run("buf", ["breaking", "--against", BASELINE], { cwd: folder });
    assert.equal(code, 100, stdout);
  });
}

/** Clears a field that the compiler of the tutorial did not print. */
function clearJsonName(field: FieldDescriptorProto): void {
  clearField(field, FieldDescriptorProtoSchema.field.jsonName);
}

/** Returns the bytes in serialized_pb of the tutorial's service_pb2.py. */
async function printedDescriptor(): Promise<Buffer> {
  const python = await readFile(join(POST, "printed/service_pb2.py"), "utf8");
  const [, literal = ""] = /serialized_pb=_b\('(.*)'\)$/m.exec(python) ?? [];
  const ESCAPES: Record<string, string> = { n: "\n", r: "\r", t: "\t", '"': '"', "'": "'", "\\": "\\" };
  const text = literal.replace(/\\(?:x([0-9a-f]{2})|(.))/g, (_, hex, letter) =>
    hex === undefined ? (ESCAPES[letter] as string) : String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(text, "latin1");
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "contract-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}
