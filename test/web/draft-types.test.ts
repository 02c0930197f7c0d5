/** Tests drafts with required fields, closed enums and protobuf's own types. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createRegistry, type DescMessage, type JsonValue, toJson } from "@bufbuild/protobuf";
import { file_google_protobuf_timestamp } from "@bufbuild/protobuf/wkt";
import { draftOfText, exampleDraft } from "../../web/call/draft.ts";
import { readDraft } from "../../web/call/read-draft.ts";
import { compileContract } from "../support/protos.ts";

const STRICT = `
edition = "2023";
package strict.v1;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
enum Closed {
  option features.enum_type = CLOSED;
  option allow_alias = true;
  CLOSED_ONE = 1;
  CLOSED_UNO = 1;
}
message Part {
  string name = 1 [features.field_presence = LEGACY_REQUIRED];
  Closed closed = 2 [features.field_presence = LEGACY_REQUIRED];
  Part part = 3;
}
message Whole {
  Part part = 1 [features.field_presence = LEGACY_REQUIRED];
  Closed closed = 2;
  google.protobuf.Timestamp at = 3;
  google.protobuf.Duration for = 4;
  google.protobuf.FieldMask mask = 5;
  google.protobuf.Int64Value wrapped = 6;
  google.protobuf.Struct struct = 7;
  google.protobuf.Value value = 8;
  google.protobuf.Any any = 9;
  google.protobuf.NullValue none = 10;
  repeated google.protobuf.Value values = 11;
}
message Endless {
  Endless endless = 1 [features.field_presence = LEGACY_REQUIRED];
}`;

test("required fields, closed enums and protobuf's own types are read by their rules", (t) => {
  const files = compileContract(t, STRICT);
  const whole = files.getMessage("strict.v1.Whole") as DescMessage;
  const any = createRegistry(whole.file, file_google_protobuf_timestamp);
  const part = { name: "", closed: "CLOSED_ONE" };
  function read(json: object): JsonValue | Record<string, string> {
    const reading = readDraft(whole, draftOfText(JSON.stringify({ part, ...json })), any);
    if ("problems" in reading)
      return Object.fromEntries([...reading.problems].map(([name, { message }]) => [name, message]));
    const { part: read, ...others } = toJson(whole, reading.message, { registry: any }) as Record<string, JsonValue>;
    assert.deepEqual(read, part);
    return others;
  }
  const required = {
    "part.name": "the required field name is not set",
    "part.closed": "the required field closed is not set",
  };
  assert.deepEqual(read({ part: { name: null } }), required);
  assert.deepEqual(read({ part: undefined }), { part: "the required field part is not set" });
  assert.deepEqual(read({ closed: "CLOSED_UNO" }), { closed: "CLOSED_ONE" });
  assert.deepEqual(read({ closed: 2 }), { closed: "strict.v1.Closed is closed and does not have the number 2" });
  assert.deepEqual(read({ at: "2026-01-31T12:00:00.5+09:00" }), { at: "2026-01-31T03:00:00.500Z" });
  assert.deepEqual(read({ at: "2026-02-30T12:00:00Z" }), { at: "the date 2026-02-30 does not exist" });
  assert.match(JSON.stringify(read({ at: "tomorrow" })), /RFC 3339/);
  assert.deepEqual(read({ for: "-1.5s" }), { for: "-1.500s" });
  assert.deepEqual(read({ for: "1.5sec" }), { for: 'expected seconds, like "1.5s", found "1.5sec"' });
  assert.deepEqual(read({ mask: "a,bC" }), { mask: "a,bC" });
  assert.deepEqual(read({ wrapped: "9007199254740993" }), { wrapped: "9007199254740993" });
  assert.deepEqual(read({ wrapped: {} }), { wrapped: "expected a number (int64), found an object" });
  const struct = { a: [1, null, { b: "x" }], __proto__: 1 };
  assert.deepEqual(read({ struct, value: null, values: [null, 1], none: null }), {
    struct,
    value: null,
    values: [null, 1],
    none: null,
  });
  const stamp = { "@type": "type.googleapis.com/google.protobuf.Timestamp", value: "1970-01-01T00:00:00Z" };
  assert.deepEqual(read({ any: stamp }), { any: stamp });
  const packed = { "@type": "type.googleapis.com/strict.v1.Part", ...part };
  assert.deepEqual(read({ any: packed }), { any: packed });
  assert.deepEqual(read({ any: { ...packed, name: 1 } }), { "any.name": "expected a string, found 1" });
  assert.deepEqual(read({ any: { "@type": "x/y.Z" } }), { any: 'the contract does not have the type "x/y.Z"' });

  const example = readDraft(whole, exampleDraft(whole), any);
  assert.ok("message" in example, "the example sets what is required");
  const endless = exampleDraft(files.getMessage("strict.v1.Endless") as DescMessage);
  assert.ok(endless.text.length < 2_000);
});
