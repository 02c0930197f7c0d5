/** Tests edits of a message in JSON, as the form makes them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createRegistry,
  type DescField,
  type DescMessage,
  fromJsonString,
  ScalarType,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { draftOfJson, draftOfText } from "../../web/call/draft.ts";
import * as edits from "../../web/call/edits.ts";
import { formatJson, isList, type Json, JsonObject, type Path, parseJson } from "../../web/call/json.ts";
import { readDraft } from "../../web/call/read-draft.ts";
import { numberOfText } from "../../web/call/scalars.ts";
import { Outer, Scalars } from "../support/protos.ts";
import { Random } from "../support/random.ts";
import { randomMessage } from "../support/random-message.ts";

/** The fields by their names. Each has the type that its test needs. */
type Fields = Readonly<
  Record<"byNumber" | "byTruth" | "int32Value" | "message" | "numbers" | "stringValue" | "text", DescField & never>
>;

const registry = createRegistry(Scalars.file, Outer.file);
const { byNumber, byTruth, int32Value, message, numbers, stringValue, text } = Scalars.field as unknown as Fields;

function after(json: string, edit: (json: Json) => Json): string {
  return formatJson(edit(parseJson(json))).replaceAll(/\s+/g, "");
}

for (const [name, before, edit, expected] of [
  [
    "a new field is placed in the order of the contract",
    '{"stringValue":"x"}',
    (json) => edits.setField(json, Scalars, int32Value, true),
    '{"int32Value":true,"stringValue":"x"}',
  ],
  [
    "a field keeps its name and its place",
    '{"names":[],"string_value":"x"}',
    (json) => edits.setField(json, Scalars, stringValue, "y"),
    '{"names":[],"string_value":"y"}',
  ],
  [
    "unsetting a field removes it under each of its names",
    '{"stringValue":"x","names":[],"string_value":"y"}',
    (json) => edits.setField(json, Scalars, stringValue, undefined),
    '{"names":[]}',
  ],
  [
    "a field of a value that is not an object makes an object",
    "5",
    (json) => edits.setField(json, Scalars, stringValue, "x"),
    '{"stringValue":"x"}',
  ],
  [
    "choosing a member of a oneof unsets the others",
    '{"text":"x","number":1}',
    (json) => edits.chooseMember(json, Scalars, Scalars.oneofs[0] as never, text),
    '{"text":"x"}',
  ],
  [
    "choosing another member sets its initial value",
    '{"text":"x"}',
    (json) => edits.chooseMember(json, Scalars, Scalars.oneofs[0] as never, message),
    '{"message":{}}',
  ],
  [
    "choosing no member unsets all",
    '{"text":"x","message":{}}',
    (json) => edits.chooseMember(json, Scalars, Scalars.oneofs[0] as never, undefined),
    "{}",
  ],
  ["a list gets an item", "[1]", (json) => edits.addItem(json, numbers), "[1,0]"],
  ["a list loses an item", "[1,2,3]", (json) => edits.removeItem(json, 1), "[1,3]"],
  ["an item is set", '["a","b"]', (json) => edits.setItem(json, 0, "c"), '["c","b"]'],
  [
    "a map gets the smallest number that is not a key",
    '{"0":{},"1":{}}',
    (json) => edits.addEntry(json, byNumber),
    '{"0":{},"1":{},"2":{}}',
  ],
  [
    "a map of booleans gets the other one",
    '{"false":"MOOD_CALM"}',
    (json) => edits.addEntry(json, byTruth),
    '{"false":"MOOD_CALM","true":"MOOD_UNSPECIFIED"}',
  ],
  ["two keys can be the same for a time", '{"12":1,"1":2}', (json) => edits.renameEntry(json, 0, "1"), '{"1":1,"1":2}'],
  [
    "an entry of equal keys is set by its index",
    '{"a":1,"a":2}',
    (json) => edits.setEntry(json, 1, "x"),
    '{"a":1,"a":"x"}',
  ],
  ["an entry of equal keys is removed by its index", '{"a":1,"a":2}', (json) => edits.removeEntry(json, 0), '{"a":2}'],
  [
    "a value deep inside is changed",
    '{"a":[1,{"b":2}]}',
    (json) => edits.editAt(json, [0, 1, 0], () => "x"),
    '{"a":[1,{"b":"x"}]}',
  ],
  [
    "an edit at a path that does not exist changes nothing",
    '{"a":[1]}',
    (json) => edits.editAt(json, [0, 5, 0], () => "x"),
    '{"a":[1]}',
  ],
  [
    "keys like members of every object are kept",
    '{"__proto__":1,"constructor":2}',
    (json) => edits.editAt(json, [1], () => true),
    '{"__proto__":1,"constructor":true}',
  ],
] as const satisfies readonly (readonly [string, string, (json: Json) => Json, string])[]) {
  test(name, () => assert.equal(after(before, edit), expected));
}

test("a text that is typed for a number survives", () => {
  for (const [typed, scalar, expected] of [
    ["1", ScalarType.INT32, "1"],
    ["-0.5", ScalarType.DOUBLE, "-0.5"],
    ["1.0", ScalarType.DOUBLE, '"1.0"'],
    ["1.", ScalarType.DOUBLE, '"1."'],
    ["-", ScalarType.INT32, '"-"'],
    ["NaN", ScalarType.DOUBLE, '"NaN"'],
    ["Infinity", ScalarType.FLOAT, '"Infinity"'],
    ["1", ScalarType.INT64, '"1"'],
    ["9007199254740993", ScalarType.UINT64, '"9007199254740993"'],
    ["1", ScalarType.UINT32, "1"],
  ] as const) {
    assert.equal(formatJson(numberOfText(scalar, typed)), expected);
  }
});

test("random edits of random messages give the message of their text", () => {
  const random = new Random(3);
  const seen = { message: 0, problem: 0 };
  for (let run = 0; run < 25; run++) {
    const desc = random.pick([Scalars, Outer]);
    let json = parseJson(JSON.stringify(toJson(desc, randomMessage(random, desc))));
    for (let edit = 0; edit < 10; edit++) {
      const places = messagesIn(desc, json);
      const place = random.pick(places);
      const field = random.pick(place.desc.fields);
      json = edits.editAt(json, place.path, (message) => randomEdit(random, place.desc, field, message));
      const draft = draftOfJson(json);
      const again = draftOfText(draft.text);
      assert.deepEqual(again, draft, "the text says all of the value");
      const reading = readDraft(desc, draft, registry);
      seen["message" in reading ? "message" : "problem"]++;
      if ("problems" in reading) continue;
      const expected = fromJsonString(desc, draft.text, { registry });
      assert.deepEqual(toBinary(desc, reading.message), toBinary(desc, expected));
    }
  }
  assert.ok(Math.min(seen.message, seen.problem) > 20, JSON.stringify(seen));
});

function randomEdit(random: Random, desc: DescMessage, field: DescField, message: Json): Json {
  const value = edits.findMember(message, field)?.value;
  const index = random.below(4);
  if (random.chance(4)) return edits.setField(message, desc, field, undefined);
  if (field.oneof !== undefined && random.chance(2)) return edits.chooseMember(message, desc, field.oneof, field);
  if (value === undefined) return edits.setField(message, desc, field, edits.initialValue(field));
  let changed: Json = value;
  if (field.fieldKind === "list")
    changed = random.chance(3) ? edits.removeItem(value, index) : edits.addItem(value, field);
  else if (field.fieldKind === "map") {
    changed = random.chance(3)
      ? edits.renameEntry(value, index, random.pick(["1", "x", "__proto__"]))
      : edits.addEntry(value, field);
  } else if (field.fieldKind === "scalar")
    changed = numberOfText(field.scalar, random.pick(["1", "-", "7.50", "AQI="]));
  return edits.setField(message, desc, field, changed);
}

/** Returns the path and the type of every message in the value. */
function messagesIn(desc: DescMessage, json: Json, path: Path = []): { desc: DescMessage; path: Path }[] {
  const found = [{ desc, path }];
  for (const field of desc.fields) {
    const member = edits.findMember(json, field);
    if (field.message === undefined || member === undefined) continue;
    const at = [...path, member.index];
    const { value } = member;
    if (field.fieldKind === "message") found.push(...messagesIn(field.message, value, at));
    const inside = isList(value) ? value : value instanceof JsonObject ? value.members.map((each) => each.value) : [];
    if (field.fieldKind === "message") continue;
    for (const [i, each] of inside.entries()) found.push(...messagesIn(field.message, each, [...at, i]));
  }
  return found;
}
