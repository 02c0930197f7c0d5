/** Tests drafts of messages: JSON and form become a message that every protocol can send, or problems by their places. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createRegistry,
  type DescExtension,
  type DescMessage,
  fromJsonString,
  type JsonValue,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { file_google_protobuf_timestamp, file_google_protobuf_wrappers } from "@bufbuild/protobuf/wkt";
import { type Draft, draftOfJson, draftOfText, exampleDraft, maximumDraft } from "../../web/call/draft.ts";
import { offsetOf } from "../../web/call/json.ts";
import { readDraft } from "../../web/call/read-draft.ts";
import { Outer, Scalars } from "../support/protos.ts";
import { Random } from "../support/random.ts";
import { randomMessage } from "../support/random-message.ts";

const registry = createRegistry(
  Scalars.file,
  Outer.file,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
);

function read(desc: DescMessage, text: string) {
  return readDraft(desc, draftOfText(text), registry);
}

/** Returns the message in JSON, or the problems: their names, messages, and lines. */
function result(desc: DescMessage, text: string): JsonValue | Record<string, string> {
  const reading = read(desc, text);
  if ("message" in reading) return toJson(desc, reading.message, { registry });
  return Object.fromEntries([...reading.problems].map(([name, { message }]) => [`!${name}`, message]));
}

test("a random message in JSON is read as fromJson reads it", () => {
  const random = new Random(1);
  for (const desc of [Scalars, Outer]) {
    for (let run = 0; run < 500; run++) {
      const message = randomMessage(random, desc);
      const text = JSON.stringify(toJson(desc, message), null, 1);
      const reading = read(desc, text);
      assert.ok("message" in reading, text);
      const expected = toBinary(desc, fromJsonString(desc, text));
      assert.deepEqual(toBinary(desc, reading.message), expected);
    }
  }
});

const VALUES = [
  "",
  " ",
  "1",
  "-1",
  "1.5",
  "1e400",
  "1e3",
  "0x10",
  "NaN",
  "true",
  "9".repeat(30),
  "a b",
  "AQI=",
  "null",
];
const JSONS = ["null", "true", "1", "-1", "1.5", "1e400", "1e3", "[]", "{}", "[null]", '{"1": 1}', "9".repeat(19)];

test("any JSON becomes the message of fromJson, or a problem: never another message", () => {
  const random = new Random(2);
  const seen = { message: 0, problem: 0, stricter: 0 };
  for (let run = 0; run < 5_000; run++) {
    const members = Scalars.fields
      .filter(() => random.chance(16))
      .map(({ jsonName }) => {
        const value = random.chance(2) ? JSON.stringify(random.pick(VALUES)) : random.pick(JSONS);
        return `${JSON.stringify(jsonName)}: ${value}`;
      });
    const text = `{${members.join(", ")}}`;
    const reading = read(Scalars, text);
    // JSON.parse would round numbers with so many digits.
    const exact = text.replaceAll(/(?<![9"])9{19}(?![9"])/g, '"$&"');
    const expected = attempt(() => fromJsonString(Scalars, exact, { registry }));
    if ("message" in reading) {
      seen.message++;
      toBinary(Scalars, reading.message);
      if (expected !== undefined) assert.deepEqual(toJson(Scalars, reading.message), toJson(Scalars, expected), text);
      else assert.match(text, /"1e3"/); // fromJson rejects it for 64-bit integers
    } else {
      seen[expected === undefined ? "problem" : "stricter"]++;
      if (expected !== undefined) assert.match(text, /0x10|" "|9{19}/); // fromJson reads the first two as 16 and 0
    }
  }
  assert.ok(Math.min(...Object.values(seen)) > 0, JSON.stringify(seen));
});

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

for (const [text, expected] of [
  // Numbers are read with all of their digits.
  ['{"int64Value": 9007199254740993}', { int64Value: "9007199254740993" }],
  [
    '{"int64Value": 9223372036854775807, "uint64Value": 1.8446744073709551615e19}',
    { int64Value: `${2n ** 63n - 1n}`, uint64Value: `${2n ** 64n - 1n}` },
  ],
  ['{"int32Value": 1e3, "uint32Value": "10.0"}', { int32Value: 1000, uint32Value: 10 }],
  [
    '{"int64Value": 9223372036854775808}',
    { "!int64Value": `${2n ** 63n} is outside int64, ${-(2n ** 63n)} to ${2n ** 63n - 1n}` },
  ],
  [
    '{"int32Value": 1.00000000000000000001}',
    { "!int32Value": "expected a whole number (int32), found 1.00000000000000000001" },
  ],
  ['{"uint32Value": -1}', { "!uint32Value": `-1 is outside uint32, 0 to ${2 ** 32 - 1}` }],
  ['{"doubleValue": 1e400}', { "!doubleValue": "1e400 is outside double" }],
  ['{"floatValue": 1e39}', { "!floatValue": "1e39 is outside float" }],
  ['{"doubleValue": "NaN", "floatValue": "-Infinity"}', { doubleValue: "NaN", floatValue: "-Infinity" }],
  ['{"int32Value": 1e999999}', { "!int32Value": `1e999999 is outside int32, ${-(2 ** 31)} to ${2 ** 31 - 1}` }],
  ['{"int32Value": "0x10"}', { "!int32Value": 'expected a number (int32), found "0x10"' }],
  // Texts and bytes.
  ['{"stringValue": "\\ud800"}', { "!stringValue": "the string has half of a character (a lone surrogate)" }],
  ['{"stringValue": "\\ud83e\\udd8a"}', { stringValue: "🦊" }],
  ['{"bytesValue": "AQI="}', { bytesValue: "AQI=" }],
  ['{"bytesValue": "not base64!"}', { "!bytesValue": "invalid base64 string" }],
  ['{"boolValue": "true"}', { "!boolValue": 'expected true or false, found "true"' }],
  // Enums: this one is open.
  ['{"mood": 7, "moods": ["MOOD_CALM", -1]}', { mood: 7, moods: ["MOOD_CALM", "MOOD_BELOW"] }],
  ['{"mood": "MOOD_ODD"}', { "!mood": 'fixture.Mood does not have a value "MOOD_ODD"' }],
  // Names of fields.
  ['{"string_value": "x"}', { stringValue: "x" }],
  ['{"stringValue": "x", "string_value": "y"}', { "!string_value": "the field string_value is set multiple times" }],
  ['{"stringValue": "x", "stringValue": "x"}', { "!stringValue": "the field string_value is set multiple times" }],
  ['{"constructor": 1}', { "!constructor": 'fixture.Scalars does not have a field "constructor"' }],
  ['{"__proto__": {}}', { "!__proto__": 'fixture.Scalars does not have a field "__proto__"' }],
  ['{"text": "x", "number": 1}', { "!number": "oneof set multiple times: choice has text and number" }],
  ['{"text": "x", "number": null}', { text: "x" }],
  // Lists, maps and messages.
  ['{"numbers": [1, "x"]}', { "!numbers[1]": 'expected a number (int32), found "x"' }],
  ['{"numbers": [null]}', { "!numbers[0]": "expected a number (int32), found null" }],
  ['{"numbers": {}}', { "!numbers": "expected a list (numbers)" }],
  [
    '{"inners": [{}, {"inner": {"boolValue": 1}}]}',
    { "!inners[1].inner.boolValue": "expected true or false, found 1" },
  ],
  ['{"inner": []}', { "!inner": "expected an object (fixture.Scalars)" }],
  ['{"byName": {"a": 1, "a": 2}}', { '!byName["a"]': 'the map has the key "a" multiple times' }],
  [
    '{"byName": {"__proto__": 1, "constructor": 2}}',
    {
      byName: Object.fromEntries([
        ["__proto__", 1],
        ["constructor", 2],
      ]),
    },
  ],
  ['{"byNumber": {"01": {}, "1": {}}}', { '!byNumber["1"]': 'the map has the key "1" multiple times' }],
  ['{"byNumber": {"x": {}}}', { '!byNumber["x"]': 'expected a number (int64), found "x"' }],
  ['{"byTruth": {"yes": "MOOD_CALM"}}', { '!byTruth["yes"]': 'expected true or false, found "yes"' }],
  // The whole.
  ["[]", { "!": "expected an object (fixture.Scalars)" }],
  ["", { "!": "invalid JSON: expected a value, found the end" }],
  ['{"a": 1,}', { "!": 'invalid JSON: expected a key in double quotes, found "}"' }],
  ["{} {}", { "!": 'invalid JSON: expected the end, found "{"' }],
  ['{"stringValue": "a\nb"}', { "!": 'invalid JSON: expected a closing quote ("), found "\\n"' }],
  ['{"stringValue": "\\x"}', { "!": "invalid JSON: invalid escape (\\) in the string" }],
  ["[01]", { "!": 'invalid JSON: expected "," or "]", found "1"' }],
  ["[".repeat(201), { "!": "invalid JSON: the value is nested over the limit of 200 levels" }],
  [" ".repeat(1_000_001), { "!": "invalid JSON: 1000001 characters are over the limit of 1000000" }],
] as const) {
  test(`${text.slice(0, 60)} is ${JSON.stringify(expected).slice(0, 80)}`, () => {
    assert.deepEqual(result(Scalars, text), expected);
  });
}

test("a number and a name of any length are read at once, and are short in their problems", () => {
  const long = `1${"0".repeat(400_000)}1`;
  const number = `${long.slice(0, 60)}… is outside int32, ${-(2 ** 31)} to ${2 ** 31 - 1}`;
  assert.deepEqual(result(Scalars, `{"int32Value": ${long}}`), { "!int32Value": number });
  const name = `${Scalars.typeName} does not have a field "${long.slice(0, 59)}…`;
  assert.deepEqual(result(Scalars, `{"${long}": 1}`), { [`!${long}`]: name });
});

test("an extension is set by its name, and a group by the name of its field", () => {
  const text = '{"[fixture.mark]": "x", "[fixture.Outer.nested_mark]": true, "extra": {"yes": true}, "name": ""}';
  assert.deepEqual(result(Outer, text), JSON.parse(text));
  const problems = { "!extra.yes": "expected true or false, found 1", "![fixture.mark]": "expected a string, found 1" };
  assert.deepEqual(result(Outer, '{"extra": {"yes": 1}, "[fixture.mark]": 1}'), problems);
  assert.equal((registry.getExtension("fixture.mark") as DescExtension).extendee, Outer);
});

test("the largest numbers of the example are a message with one set member of a oneof", () => {
  const draft = maximumDraft(Scalars, exampleDraft(Scalars)) as Draft;
  const reading = readDraft(Scalars, draft, registry);
  assert.ok("message" in reading);
  const { int64Value, choice } = reading.message as unknown as { int64Value: bigint; choice: { case: string } };
  assert.deepEqual([int64Value, choice.case], [2n ** 63n - 1n, "text"]);
  assert.equal(maximumDraft(Outer, exampleDraft(Outer)), undefined);
});

test("a text that is not JSON keeps the newest value", () => {
  const draft = draftOfText('{"a": ', draftOfText('{"a": 1.0}'));
  assert.deepEqual([draft.error?.offset, draftOfJson(draft.json).text], [6, '{\n  "a": 1.0\n}']);
});

test("the place of a problem is found in the text", () => {
  const text = '{"byName": {"a": 1, "a": "x"},\n "inners": [{}, {"mood": "y"}]}';
  const reading = read(Scalars, text);
  assert.ok("problems" in reading);
  const places = [...reading.problems.values()].map(({ path }) => text.slice(offsetOf(text, path)).slice(0, 3));
  assert.deepEqual(places, ['"x"', '"y"']);
});

test("a place is missing in a text over the limits, which a form can make", () => {
  assert.equal(offsetOf(" ".repeat(1_000_001), [0]), 1_000_001);
  assert.equal(offsetOf("[".repeat(300), [0, 0]), 2);
});

test("messages nested up to protobuf's limit are read, and one level more is a problem", () => {
  const nested = (levels: number) => `${'{"inner":'.repeat(levels)}{}${"}".repeat(levels)}`;
  assert.ok("message" in read(Scalars, nested(99)));
  assert.match(JSON.stringify(result(Scalars, nested(100))), /maximum recursion depth of 100/);
});
