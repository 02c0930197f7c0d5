/** HPACK: the examples of RFC 7541 (appendix C), invalid blocks, and exchanges with node:http2. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Field } from "../../src/server/http/exchange.ts";
import { HpackDecoder } from "../../src/server/http2/hpack/decoder.ts";
import { encodeBlock } from "../../src/server/http2/hpack/encoder.ts";
import {
  HAS_CONTROL,
  huffmanDecode,
  huffmanEncode,
  huffmanLength,
  maxTextBytes,
} from "../../src/server/http2/hpack/huffman.ts";
import { Random } from "../support/random.ts";
import { connect, responseOf, startServer } from "./support/server.ts";

function decode(decoder: HpackDecoder, hex: string): string[] {
  const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
  const list = decoder.decode(bytes, 0, bytes.length, Number.POSITIVE_INFINITY);
  return list.map(({ field: [name, value] }) => `${name}: ${value}`);
}

/** Returns the text of encoded bytes in latin1, or undefined if the code is invalid. */
function decodeText(bytes: Buffer): string | undefined {
  const text = Buffer.alloc(maxTextBytes(bytes.length));
  const size = huffmanDecode(bytes, 0, bytes.length, text, 0);
  if (size < 0) return undefined;
  const decoded = text.toString("latin1", 0, size & (HAS_CONTROL - 1));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the characters that the decoder must find
  assert.equal(size >= HAS_CONTROL, /[\x00-\x08\x0a-\x1f\x7f]/.test(decoded));
  return decoded;
}

const FIRST = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
const SECOND = [...FIRST, "cache-control: no-cache"];
const THIRD = [
  ":method: GET",
  ":scheme: https",
  ":path: /index.html",
  ":authority: www.example.com",
  "custom-key: custom-value",
];
const DATE = "Mon, 21 Oct 2013 20:13:21 GMT";
const LOCATION = "https://www.example.com";
const COOKIE = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";

/** Blocks that one decoder decodes one after the other, each with its fields. */
const EXAMPLES: Record<string, readonly (readonly [hex: string, fields: readonly string[]])[]> = {
  "C.2.1 literal with indexing": [
    ["400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", ["custom-key: custom-header"]],
  ],
  "C.2.2 literal without indexing": [["040c 2f73 616d 706c 652f 7061 7468", [":path: /sample/path"]]],
  "C.2.3 literal never indexed": [["1008 7061 7373 776f 7264 0673 6563 7265 74", ["password: secret"]]],
  "C.2.4 indexed": [["82", [":method: GET"]]],
  "C.3 requests without Huffman code": [
    ["8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", FIRST],
    ["8286 84be 5808 6e6f 2d63 6163 6865", SECOND],
    ["8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", THIRD],
  ],
  "C.4 requests with Huffman code": [
    ["8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", FIRST],
    ["8286 84be 5886 a8eb 1064 9cbf", SECOND],
    ["8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", THIRD],
  ],
};

for (const [name, blocks] of Object.entries(EXAMPLES)) {
  test(`example ${name} of RFC 7541 decodes to its fields`, () => {
    const decoder = new HpackDecoder();
    for (const [hex, fields] of blocks) assert.deepEqual(decode(decoder, hex), fields);
  });
}

/** The table of C.5 and C.6 has 256 bytes. Here a size update at the beginning sets that size. */
const RESPONSES: Record<string, readonly string[]> = {
  "C.5 responses without Huffman code, with eviction": [
    `3fe101 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e
     1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
    "4803 3330 37c1 c0bf",
    `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153
     444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e
     3d31`,
  ],
  "C.6 responses with Huffman code, with eviction": [
    `3fe101 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b
     97c8 e9ae 82ae 43d3`,
    "4883 640e ffc1 c0bf",
    `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b
     3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
  ],
};

for (const [name, blocks] of Object.entries(RESPONSES)) {
  test(`example ${name} of RFC 7541 decodes to its fields`, () => {
    const decoder = new HpackDecoder();
    const [first, second, third] = blocks.map((block) => decode(decoder, block.replaceAll(/\s/g, "")));
    const same = ["cache-control: private", `date: ${DATE}`, `location: ${LOCATION}`];
    assert.deepEqual(first, [":status: 302", ...same]);
    assert.deepEqual(second, [":status: 307", ...same]);
    assert.deepEqual(third, [
      ":status: 200",
      "cache-control: private",
      `date: ${DATE.replace(":21 ", ":22 ")}`,
      `location: ${LOCATION}`,
      "content-encoding: gzip",
      `set-cookie: ${COOKIE}`,
    ]);
  });
}

test("texts of all bytes and of every length are the same after Huffman coding and decoding", () => {
  const random = new Random(7);
  for (let length = 0; length < 300; length++) {
    const text = random.bytes(length).toString("latin1");
    const coded: number[] = [];
    huffmanEncode(text, coded);
    assert.equal(coded.length, huffmanLength(text));
    assert.equal(decodeText(Buffer.from(coded)), text);
  }
});

test("Huffman padding over seven bits, padding that is not ones, and EOS are errors (RFC 7541, 5.2)", () => {
  for (const hex of ["1fff", "18", "ffffffff", "ffffffffff", "f8ff"]) {
    assert.equal(decodeText(Buffer.from(hex, "hex")), undefined, hex);
  }
  assert.equal(decodeText(Buffer.from("1f", "hex")), "a");
});

for (const [name, hex, message] of [
  ["an incomplete integer", "ff", /inside an integer/],
  ["an integer of over 28 bits", "ffffffffff7f", /exceeds 28 bits/],
  ["an incomplete string", "400a61", /inside a string/],
  ["a literal without a value", "400161", /inside a representation/],
  ["index 0", "80", /index 0/],
  ["an index past the end of the table", "be", /index 62/],
  ["a size update after a field", "8220", /after a field/],
  ["a size update over the limit", "3fe21f", /4097 bytes exceeds 4096/],
] as const) {
  test(`${name} is a COMPRESSION_ERROR`, () => {
    assert.throws(() => decode(new HpackDecoder(), hex), { code: 9, message });
  });
}

test("an entry larger than the table empties it without an error (RFC 7541, 4.4)", () => {
  const decoder = new HpackDecoder();
  const literal = (name: string, value: string) =>
    Buffer.concat([Buffer.of(0x40, name.length), Buffer.from(name), Buffer.of(value.length), Buffer.from(value)]);
  assert.deepEqual(decode(decoder, `3f21${literal("a", "b").toString("hex")}be`), ["a: b", "a: b"]);
  decode(decoder, literal("long", "x".repeat(100)).toString("hex"));
  assert.throws(() => decode(decoder, "be"), /index 62/);
});

test("a list above the maximum size is cut off and marked, and the table stays synchronized", () => {
  const decoder = new HpackDecoder();
  const block = Buffer.concat([Buffer.from("4001610162", "hex"), Buffer.alloc(100, 0xbe)]);
  assert.equal(decoder.decode(block, 0, block.length, 68).length, 2);
  assert.ok(decoder.isListTooLarge);
  assert.deepEqual(decode(decoder, "be"), ["a: b"]);
});

function randomFields(random: Random): Field[] {
  return Array.from({ length: random.below(12) }, () => {
    const value = random.text(random.below(40)).trim();
    return [`x-${random.word(1 + random.below(4))}`, value] as const;
  });
}

test("encoded blocks decode to the same fields", () => {
  const random = new Random(11);
  for (let i = 0; i < 200; i++) {
    const fields = randomFields(random);
    const block = encodeBlock(fields);
    const list = new HpackDecoder().decode(block, 0, block.length, Number.POSITIVE_INFINITY);
    assert.deepEqual(
      list.map(({ field }) => field),
      fields,
    );
  }
});

test("node:http2 gets back the fields that it sends, while its dynamic table fills and evicts entries", async (t) => {
  const server = await startServer(t, (exchange) => {
    const fields = exchange.request.fields.filter(([name]) => name.startsWith("x-"));
    exchange.respond({ status: 200, fields }, Buffer.alloc(0));
  });
  const session = connect(t, server);
  const random = new Random(13);
  for (let i = 0; i < 150; i++) {
    const fields = Object.fromEntries(randomFields(random));
    const { headers } = await responseOf(session.request({ ":path": `/${i}`, ...fields }));
    const returned = Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith("x-")));
    assert.deepEqual(returned, fields);
  }
});
