/** Tests the bounds of the page's history, and that it reads whatever is stored. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { addEntry, type HistoryEntry, parseEntries, parseMetadata } from "../../web/call/history.ts";

const ENTRY: HistoryEntry = {
  procedure: "calls.v1.CallService/Add",
  input: '{"a": 1}',
  protocol: "grpc-web",
  metadata: { rows: [["x-key", "1"]], deadline: "" },
  time: 1,
  code: "ok",
  milliseconds: 2.5,
};

test("the newest entry is the first, and the oldest ones are dropped at 50", () => {
  let entries: HistoryEntry[] = [];
  for (let time = 0; time < 60; time++) entries = addEntry(entries, { ...ENTRY, time });
  assert.deepEqual([entries.length, entries[0]?.time, entries.at(-1)?.time], [50, 59, 10]);
});

test("all entries together are bounded, and one that is too large is not kept", () => {
  const large = { ...ENTRY, input: "x".repeat(200_000) };
  const two = addEntry(addEntry(addEntry([], { ...large, time: 1 }), { ...large, time: 2 }), { ...large, time: 3 });
  assert.deepEqual(
    two.map(({ time }) => time),
    [3, 2],
  );
  assert.deepEqual(addEntry(two, { ...ENTRY, input: "x".repeat(600_000) }), two);
});

test("entries are read back, and all that is not an entry is left out", () => {
  assert.deepEqual(parseEntries(JSON.stringify([ENTRY])), [ENTRY]);
  for (const text of [null, "", "{", "null", "7", "{}", '"text"']) assert.deepEqual(parseEntries(text), []);
  for (const change of [
    { procedure: 1 },
    { input: undefined },
    { protocol: "soap" },
    { metadata: { rows: [["name"]], deadline: "" } },
    { metadata: { rows: [["name", 1]], deadline: "" } },
    { metadata: { rows: [], deadline: 5 } },
    { metadata: {} },
    { metadata: null },
    { time: "now" },
    { milliseconds: null },
  ]) {
    assert.deepEqual(parseEntries(JSON.stringify([{ ...ENTRY, ...change }, null, [], ENTRY])), [ENTRY]);
  }
});

test("metadata is read back, and all that is not metadata becomes empty fields", () => {
  const metadata = { rows: [["x-key", "1"]], deadline: "500" };
  assert.deepEqual(parseMetadata(JSON.stringify(metadata)), metadata);
  for (const text of [null, "", "[]", "{}", '{"rows": [[1, 2]], "deadline": ""}'])
    assert.deepEqual(parseMetadata(text), { rows: [], deadline: "" });
});
