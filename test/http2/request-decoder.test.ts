/** The decoder of request heads: compared with a simple decoder, and the memory and the hits of its caches. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { RequestDecoder } from "../../src/server/http2/headers/request-decoder.ts";
import { areTrailers } from "../../src/server/http2/headers/request-head.ts";
import { BytesCache } from "../../src/server/http2/hpack/bytes-cache.ts";
import { encodeBlock } from "../../src/server/http2/hpack/encoder.ts";
import { BlockText, FieldName, HeaderField } from "../../src/server/http2/hpack/header-field.ts";
import { HAS_CONTROL, huffmanDecode, huffmanEncode, maxTextBytes } from "../../src/server/http2/hpack/huffman.ts";
import { STATIC_TABLE } from "../../src/server/http2/hpack/static-table.ts";
import { Random } from "../support/random.ts";
import { POST } from "./support/frames.ts";
import { areReferenceTrailers, ReferenceDecoder, referenceText } from "./support/reference-decoder.ts";

const MAX_LIST_BYTES = 900;

function integer(prefix: number, value: number, pattern: number): number[] {
  const max = 2 ** prefix - 1;
  if (value < max) return [pattern | value];
  const bytes = [pattern | max];
  let rest = value - max;
  for (; rest > 127; rest >>= 7) bytes.push((rest & 127) | 128);
  return [...bytes, rest];
}

function string(random: Random, text: string): number[] {
  if (random.below(2) === 0) return [...integer(7, text.length, 0), ...Buffer.from(text, "latin1")];
  const coded: number[] = [];
  huffmanEncode(text, coded);
  return [...integer(7, coded.length, 0x80), ...coded];
}

const VALUES: Readonly<Record<string, readonly string[]>> = {
  ":method": ["POST", "GET", "OPTIONS", "CONNECT", "PO ST", ""],
  ":scheme": ["http", "https", "ftp", ""],
  ":path": ["/a.B/C", "/", "/a?b=c", "*", "", "a", "/a b", "/a#b", "/\xe9"],
  ":authority": ["localhost:80", "LOCALHOST", "localhost", "::1:8080", "[::1]:8080", "a|b", "", "a b", "\xe9"],
  ":unknown": ["1"],
  host: ["localhost", "localhost:80", "LOCALHOST:443", "::1:8080", "other", ""],
  cookie: ["a=1", "b=2", "", "c=3; d=4"],
  "content-length": ["0", "1", "01", "1x", "-1", "", "1".repeat(16)],
  expect: ["100-continue", "100-Continue", "other"],
  te: ["trailers", "gzip", "Trailers"],
  connection: ["close"],
  "content-type": ["application/grpc"],
};
const NAMES = Object.keys(VALUES);
const EDGES = ["", " ", "\t", "\0", "\x7f", "\x1f", "\xff", "\x80", "{}", "\\^~"];

/** Returns a name and a value that are valid in most cases. */
function randomField(random: Random): readonly [string, string] {
  const name =
    random.below(3) === 0
      ? random.pick(NAMES)
      : random.pick(
          ["x-a", "x-b", "grpc-timeout", "traceparent", "X", "", "a b"].slice(0, random.below(20) === 0 ? 7 : 4),
        );
  if (random.below(30) === 0)
    return [name, `${random.pick(EDGES)}${random.text(random.below(5))}${random.pick(EDGES)}`];
  const values = VALUES[name];
  if (values === undefined) return [name, random.word(1 + random.below(random.below(20) === 0 ? 400 : 40))];
  return [name, random.below(4) === 0 ? random.pick(values) : (values[0] as string)];
}

/** Returns one representation (RFC 7541, 6). `entries` is the number of entries of the tables. */
function representation(random: Random, [name, value]: readonly [string, string], entries: number): number[] {
  if (random.below(4) === 0) return integer(7, 1 + random.below(entries + (random.below(200) === 0 ? 3 : 0)), 0x80);
  const [prefix, pattern] = random.pick([
    [6, 0x40],
    [4, 0],
    [4, 0x10],
  ] as const);
  const index = STATIC_TABLE.findIndex(({ field }) => field[0] === name) + 1;
  const nameIndex = random.below(8) === 0 ? 1 + random.below(entries) : random.below(2) === 0 ? index : 0;
  return [
    ...integer(prefix, nameIndex, pattern),
    ...(nameIndex === 0 ? string(random, name) : []),
    ...string(random, value),
  ];
}

function randomBlock(random: Random, entries: number): Buffer {
  const bytes: number[] = [];
  if (random.below(15) === 0) bytes.push(...integer(5, random.below(random.below(8) === 0 ? 5000 : 600), 0x20));
  const isRequest = random.below(8) > 0;
  if (isRequest) {
    const isConnect = random.below(40) === 0;
    for (const name of isConnect ? [":method", ":authority"] : [":method", ":scheme", ":path", ":authority"]) {
      if (random.below(30) === 0) continue;
      const values = VALUES[name] as readonly string[];
      const usual = isConnect && name === ":method" ? "CONNECT" : (values[0] as string);
      const value = random.below(12) === 0 ? random.pick(values) : usual;
      const index = STATIC_TABLE.findIndex(({ field }) => field[0] === name && field[1] === value) + 1;
      if (index > 0 && random.below(2) === 0) bytes.push(...integer(7, index, 0x80));
      else bytes.push(...integer(4, 0, random.pick([0, 0x10])), ...string(random, name), ...string(random, value));
    }
  }
  const count = random.below(8);
  for (let i = 0; i < count; i++) {
    let field = randomField(random);
    while (field[0].startsWith(":") && random.below(10) > 0) field = randomField(random);
    // An indexed entry of the static table is often a pseudo-header field, which would make nearly all heads malformed.
    if (random.below(4) > 0 || entries > STATIC_TABLE.length + 8) bytes.push(...representation(random, field, entries));
  }
  if (random.below(60) === 0) bytes.push(...integer(5, 100, 0x20));
  if (random.below(60) === 0) bytes.length = random.below(bytes.length + 1);
  if (random.below(60) === 0 && bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
  return Buffer.from(bytes);
}

/** Returns what `decode` returns, or "threw" for an error that ends the connection. */
function outcome<T>(decode: () => T): T | "threw" {
  try {
    return decode();
  } catch {
    return "threw";
  }
}

test("random blocks have the same heads, trailers and errors as those of a simple decoder", () => {
  const random = new Random(18);
  const counts = new Map<string, number>();
  for (let connection = 0; connection < 600; connection++) {
    const decoder = new RequestDecoder(MAX_LIST_BYTES);
    const reference = new ReferenceDecoder();
    let block = randomBlock(random, STATIC_TABLE.length);
    for (let i = 0; i < 40; i++) {
      if (random.below(3) > 0) block = randomBlock(random, STATIC_TABLE.length + reference.table.length);
      const placed = Buffer.concat([random.bytes(3), block, random.bytes(3)]);
      if (random.below(10) === 0) {
        const list = outcome(() => decoder.decodeList(placed, 3, 3 + block.length));
        const expected = outcome(() => reference.decodeList(block));
        if (list === "threw" || expected === "threw") {
          assert.equal(list, expected);
          break;
        }
        if (list === undefined) continue;
        assert.equal(areTrailers(list), areReferenceTrailers(expected));
        continue;
      }
      const head = outcome(() => decoder.decode(placed, 3, 3 + block.length));
      const expected = outcome(() => reference.decode(block, MAX_LIST_BYTES));
      placed.fill(0); // the head must not depend on the chunk
      const kind = typeof expected === "object" ? "head" : String(expected);
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
      assert.deepEqual(
        typeof head === "object" ? { ...head, fields: head.fields, isShared: undefined } : head,
        typeof expected === "object" ? { httpVersion: "2.0", ...expected, isShared: undefined } : expected,
      );
      if (expected === "threw") break;
    }
  }
  for (const kind of ["head", "malformed", "400", "431", "501", "threw"]) {
    assert.ok((counts.get(kind) ?? 0) > 10, `${kind}: ${counts.get(kind)}`);
  }
  assert.ok((counts.get("head") ?? 0) > 3000, `heads: ${counts.get("head")}`);
});

test("random bytes have the same text, or the same error, as those of a decoder that reads bit by bit", () => {
  const random = new Random(19);
  for (let i = 0; i < 20_000; i++) {
    const bytes = random.below(2) === 0 ? random.bytes(random.below(12)) : almostAllOnes(random);
    const out = Buffer.alloc(maxTextBytes(bytes.length));
    const size = huffmanDecode(bytes, 0, bytes.length, out, 0);
    const expected = outcome(() => referenceText(bytes));
    const text = size < 0 ? "threw" : out.toString("latin1", 0, size & (HAS_CONTROL - 1));
    assert.equal(text, expected, bytes.toString("hex"));
  }
});

/** Returns bytes near the longest codes, EOS and padding. */
function almostAllOnes(random: Random): Buffer {
  const bytes = Buffer.alloc(1 + random.below(8), 0xff);
  for (let i = random.below(3); i >= 0; i--) {
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] as number) & ~(1 << random.below(8));
  }
  return bytes;
}

/** Literals without indexing, as a peer sends that fills the cache of its connection. */
function craftedLiterals(count: number, valueLength: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => encodeBlock([["x", String(i).padEnd(valueLength, "y")]]));
}

/** Fills a cache with literals that were all seen before. Returns the number of bytes that the cache keeps. */
function fill(cache: BytesCache<number>, literals: readonly Buffer[]): number {
  for (const literal of literals) {
    for (let i = 0; i < 2; i++) {
      if (cache.find(literal, 0, literal.length) === undefined) cache.offer(literal, 0, literal.length, i);
    }
  }
  return cache.keptBytes;
}

test("a cache keeps at most one value for each slot, of at most the maximum size, whatever a peer sends", () => {
  for (const length of [10, 100, 180, 300]) {
    const literals = craftedLiterals(5_000, length);
    assert.ok(fill(new BytesCache(32, 128), literals) <= 32 * 128);
    assert.ok(fill(new BytesCache(8192, 512), literals) > 32 * 128, "without the bounds");
  }
});

test("a cache does not keep bytes that were seen once", () => {
  const cache = new BytesCache<number>(32, 128);
  for (const literal of craftedLiterals(1_000, 20)) {
    assert.equal(cache.find(literal, 0, literal.length), undefined);
    cache.offer(literal, 0, literal.length, 1);
  }
  assert.equal(cache.keptBytes, 0);
});

test("a peer that fills the caches of its connection does not affect the hits of another connection", () => {
  const [good, hostile] = [new RequestDecoder(16_384), new RequestDecoder(16_384)];
  const block = encodeBlock(POST);
  const decode = (decoder: RequestDecoder, bytes: Buffer) => decoder.decode(bytes, 0, bytes.length);
  decode(good, block);
  const head = decode(good, block);
  for (let i = 0; i < 2_000; i++) {
    const crafted = encodeBlock([...POST, ["x", String(i)]]);
    for (let times = 0; times < 3; times++) decode(hostile, crafted);
    assert.equal(decode(good, block), head);
  }
  for (let i = 0; i < 4_000; i++) decode(good, encodeBlock([...POST, ["x", String(i >> 1)]]));
  assert.notEqual(decode(good, block), head, "its own crafted blocks replace its heads");
});

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Returns the growth of the heap, in bytes, by the objects that `create` returns. */
function heapOf(create: () => object): number {
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  const created = create();
  collectGarbage();
  const bytes = process.memoryUsage().heapUsed - before;
  assert.ok(created);
  return bytes;
}

test("small entries of a table do not keep alive the large values that were sent beside them", () => {
  const random = new Random(22);
  const large = Array.from({ length: 10 }, () => random.word(12_000));
  // 120 blocks, each with a field of 36 bytes that is inserted, and a large one that is not.
  const attacked = heapOf(() => {
    const decoder = new RequestDecoder(16_384);
    for (let i = 0; i < 120; i++) {
      const inserted = Buffer.concat([Buffer.of(0x40, 1, 97, 3), Buffer.from(String(100 + i))]);
      const block = Buffer.concat([inserted, encodeBlock([["b", `${large[i % 10]}`]])]);
      assert.equal(decoder.decodeList(block, 0, block.length)?.length, 2);
    }
    return decoder;
  });
  assert.ok(attacked < 500_000, `${attacked} bytes`);
  const unbounded = heapOf(() =>
    Array.from({ length: 120 }, (_, i) => {
      const text = new BlockText();
      text.text = Buffer.from(`${100 + i}${large[i % 10]}`).toString("latin1");
      return HeaderField.within(text, 0, 3, new FieldName("a"), true);
    }),
  );
  assert.ok(unbounded > 1_000_000, `without the bound: ${unbounded} bytes`);
});
