/** Tests the metadata and the deadline that a user types: headers to send, or the problem of each row. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type MetadataProblem, readMetadata, readTimeout } from "../../web/call/metadata.ts";

test("rows of metadata become headers, in their order, without empty rows", () => {
  assert.deepEqual(
    readMetadata([
      [" Authorization ", " Bearer a b "],
      ["", ""],
      ["x-empty", ""],
      ["trace-bin", "AQID, +/8="],
      ["x_a.b-1", "~"],
      ["authorization", "again"],
    ]),
    {
      headers: [
        ["authorization", "Bearer a b"],
        ["x-empty", ""],
        ["trace-bin", "AQID, +/8="],
        ["x_a.b-1", "~"],
        ["authorization", "again"],
      ],
    },
  );
});

const PROBLEMS: readonly (readonly [name: string, value: string, problem: MetadataProblem])[] = [
  ["", "value", "name"],
  ["two words", "", "name"],
  [":path", "", "name"],
  ["naïve", "", "name"],
  ["x\r\ny", "", "name"],
  ["grpc-timeout", "1S", "protocol"],
  ["Connect-Timeout-Ms", "1", "protocol"],
  ["content-type", "text/plain", "protocol"],
  ["Cookie", "a=1", "browser"],
  ["sec-fetch-mode", "x", "browser"],
  ["proxy-authorization", "x", "browser"],
  ["host", "x", "browser"],
  ["x-name", "김밥", "value"],
  ["x-name", "a\r\nb: c", "value"],
  ["x-name", "a\tb", "value"],
  ["x-bin", "not base64!", "binary"],
  ["x-bin", "A", "binary"],
  ["x-bin", "AQID=====", "binary"],
  ["x-bin", "_-8=", "binary"],
];

test("each invalid row has a problem, and then nothing can be sent", () => {
  for (const [name, value, problem] of PROBLEMS) {
    const read = readMetadata([
      ["x-good", "1"],
      [name, value],
      ["x-good", "2"],
    ]);
    assert.deepEqual(read, { problems: new Map([[1, problem]]) }, `${name}: ${value}`);
  }
});

test("a deadline is a whole number of milliseconds that every protocol can send", () => {
  for (const [typed, read] of [
    ["", undefined],
    ["  ", undefined],
    ["1", 1],
    [" 99999999 ", 99_999_999],
    ["100000000", "invalid"],
    ["0", "invalid"],
    ["-1", "invalid"],
    ["1.5", "invalid"],
    ["1e3", "invalid"],
    ["soon", "invalid"],
  ] as const) {
    assert.equal(readTimeout(typed), read, typed);
  }
});
