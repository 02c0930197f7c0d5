/** The table of open streams, compared with a Map. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Stream } from "../../src/server/http2/streams/stream.ts";
import { OpenStreams } from "../../src/server/http2/streams/table.ts";
import { Random } from "../support/random.ts";

function stream(id: number): Stream {
  return { id } as Stream;
}

function idsOf(open: OpenStreams): number[] {
  return Array.from(open.values(), ({ id }) => id).sort((a, b) => a - b);
}

test("streams that live long, and share a slot with later ones, are found as in a Map", () => {
  const random = new Random(21);
  const open = new OpenStreams();
  const expected = new Map<number, Stream>();
  for (let id = 1; id < 20_000; id += 2 * (1 + random.below(3))) {
    const added = stream(id);
    open.add(added);
    expected.set(id, added);
    while (expected.size > random.below(200)) {
      const removed = random.pick([...expected.keys()]);
      open.delete(removed);
      open.delete(removed);
      expected.delete(removed);
      assert.equal(open.get(removed), undefined);
    }
    const known = random.pick([...expected.keys(), id]);
    assert.equal(open.get(known), expected.get(known));
    assert.equal(open.size, expected.size);
  }
  assert.deepEqual(idsOf(open), [...expected.keys()]);
});

test("a stream that is removed during an iteration is left out of it", () => {
  const open = new OpenStreams();
  for (let id = 1; id <= 257; id += 2) open.add(stream(id));
  const seen: number[] = [];
  for (const { id } of open.values()) {
    seen.push(id);
    for (const each of idsOf(open)) if (each !== id) open.delete(each);
  }
  assert.equal(seen.length, 1);
  assert.equal(open.size, 1);
});
