/** Tests the texts for parts of bytes: large parts are cut before they are formatted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { beginOf, formatPart } from "../../web/view/format.ts";

for (const [character, bytes] of [
  ["x", 4_096],
  ["é", 4_096],
  ["한", 4_095],
  ["🥟", 4_096],
] as const) {
  test(`a large part is cut between characters: ${character}`, () => {
    const all = new TextEncoder().encode(character.repeat(1_000_000));
    const part = { start: 0, end: all.length, annotation: { kind: "opaque" } } as const;
    assert.equal(beginOf(all, part).length, bytes);
    assert.equal(formatPart(part, all, false), character.repeat(bytes / Buffer.byteLength(character)));
  });
}

test("a small part is whole, also if it is not UTF-8", () => {
  const all = Buffer.from([0x61, 0x80, 0x80, 0x62]);
  assert.deepEqual(beginOf(all, { start: 1, end: 3, annotation: { kind: "opaque" } }), all.subarray(1, 3));
  assert.equal(formatPart({ start: 0, end: 2, annotation: { kind: "opaque" } }, all, false), "a\\x80");
});
