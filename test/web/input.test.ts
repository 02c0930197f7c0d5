/** Tests that the input of a form becomes a message that every protocol can send, or a list of problems. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { toBinary, toJson } from "@bufbuild/protobuf";
import { exampleValues, type FormValues, formFields, maximumValues, readInput } from "../../web/call/input.ts";
import { Scalars } from "../support/protos.ts";
import { Random } from "../support/random.ts";

const TYPED = ["", " ", "1", "-1", "1.5", "1e400", "NaN", "true", "9".repeat(30), "a b", "AQI=", "{}", "null"];

test("any text in fields of every type becomes a message, or a problem of a field or of the message", () => {
  const random = new Random(1);
  const seen = { message: 0, ofField: 0, ofWhole: 0 };
  for (let run = 0; run < 2_000; run++) {
    const fields = formFields(Scalars).filter(() => random.chance(8));
    const texts: FormValues = new Map(fields.map(({ jsonName }) => [jsonName, random.pick(TYPED)]));
    const reading = readInput(Scalars, texts);
    if ("message" in reading) {
      seen.message++;
      toBinary(Scalars, reading.message);
      toJson(Scalars, reading.message);
    } else {
      seen[reading.problems.has("") ? "ofWhole" : "ofField"]++;
      assert.ok(reading.problems.values().every((problem) => problem !== ""));
    }
  }
  assert.ok(Math.min(...Object.values(seen)) > 0, JSON.stringify(seen));
});

test("the largest numbers of the example are a message with one set member of a oneof", () => {
  const reading = readInput(Scalars, maximumValues(Scalars, exampleValues(Scalars)) ?? new Map());
  assert.deepEqual("problems" in reading && reading.problems, false);
});
