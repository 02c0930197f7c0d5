/** Tests the explanations of parts in both languages. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { en } from "../../web/i18n/en.ts";
import { ko } from "../../web/i18n/ko.ts";
import { explain } from "../../web/i18n/texts.ts";

for (const [type, value, bytes, english, korean] of [
  [
    "int32",
    -(2 ** 31),
    10,
    /takes ten bytes; as sint32 it would take five at most\.$/,
    /sint32라면 길어도 5바이트입니다\.$/,
  ],
  [
    "int64",
    -1n,
    10,
    /takes ten bytes; as sint64 a small one takes fewer/,
    /10바이트를 차지합니다\. 절댓값이 작으면 sint64가/,
  ],
  ["enum", -1, 10, /takes ten bytes\.$/, /10바이트를 차지합니다\.$/],
  ["sint64", -1n, 1, /zigzag/, /지그재그/],
  ["uint32", 300, 2, /varint of 2 bytes: seven bits in each, least significant first/, /하위 비트부터/],
  ["fixed64", 1n, 8, /Always 8 bytes, little-endian/, /하위 바이트부터\(리틀 엔디언\)/],
] as const) {
  test(`the explanation of ${value} fits the type ${type}`, () => {
    const part = { start: 0, end: bytes, annotation: { kind: "value", type, value } } as const;
    assert.match(explain(en, part), english);
    assert.match(explain(ko, part), korean);
  });
}

test("a negative sint32 takes five bytes at most, as the page says", () => {
  assert.equal(new BinaryWriter().sint32(-(2 ** 31)).finish().length, 5);
});

test("the explanation of a JSON name fits names in an error, too, which are not fields", () => {
  const part = { start: 0, end: 6, annotation: { kind: "key", name: "code" } } as const;
  assert.equal(explain(en, part), "The name code, spelled out each time.");
  assert.equal(explain(ko, part), "이름 code. JSON에서는 매번 이름을 그대로 적습니다.");
});

test("the page explains gRPC and trailers to beginners", () => {
  for (const { lead, protocols } of [en, ko]) {
    for (const term of ["RPC", "gRPC", "HTTP/2", "protobuf", "gRPC-Web", "Connect"])
      assert.ok(lead.includes(term), term);
    assert.match(protocols["grpc-web"], /headers that follow a body|본문 뒤에 오는 헤더/);
  }
});
