/** Tests the methods of a schema: their order, the search, and links to them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DescMethod } from "@bufbuild/protobuf";
import { formatLink, type Link, parseLink } from "../../web/call/link.ts";
import { firstMethod, isCallable, procedureOf, searchMethods } from "../../web/call/methods.ts";
import { compileContract, Echo } from "../support/protos.ts";
import { Random } from "../support/random.ts";

const TWO = `
syntax = "proto3";
package acme.eliza.v1;

message Empty {}
service LogService {
  rpc Record(stream Empty) returns (Empty);
  rpc Watch(Empty) returns (stream Empty);
}
service ElizaService {
  rpc Say(Empty) returns (Empty);
  rpc Listen(Empty) returns (stream Empty);
}
`;

test("the first method is the first unary one, or else one that a browser can call", (t) => {
  const file = compileContract(t, TWO).getFile("service.proto");
  const [log, eliza] = file?.services ?? [];
  assert.ok(log && eliza);
  const nameOf = (method: DescMethod | undefined) => method && procedureOf(method);
  assert.equal(nameOf(firstMethod([log, eliza])), "acme.eliza.v1.ElizaService/Say");
  assert.equal(nameOf(firstMethod([log])), "acme.eliza.v1.LogService/Watch");
  assert.equal(nameOf(firstMethod([{ ...log, methods: log.methods.slice(0, 1) }])), "acme.eliza.v1.LogService/Record");
  assert.equal(firstMethod([]), undefined);
  assert.deepEqual(
    Echo.methods.map((method) => [method.name, isCallable(method)]),
    [
      ["Say", true],
      ["Repeat", true],
      ["Join", false],
      ["Chat", false],
    ],
  );
});

test("a search finds methods that contain each of its words, and leaves out services without one", (t) => {
  const services = compileContract(t, TWO).getFile("service.proto")?.services ?? [];
  for (const [query, ...expected] of [
    ["", "LogService/Record", "LogService/Watch", "ElizaService/Say", "ElizaService/Listen"],
    ["  ", "LogService/Record", "LogService/Watch", "ElizaService/Say", "ElizaService/Listen"],
    ["SAY", "ElizaService/Say"],
    ["log ", "LogService/Record", "LogService/Watch"],
    ["eliza.v1 liza list", "ElizaService/Listen"],
    ["eliza watch", "LogService/Watch"],
    ["unknown"],
  ] as const) {
    const found = searchMethods(services, query).flatMap(({ service, methods }) =>
      methods.map(({ name }) => `${service.name}/${name}`),
    );
    assert.deepEqual(found, expected, query);
  }
});

test("a link has the method and any input, and is read back", () => {
  const random = new Random(1);
  for (let run = 0; run < 500; run++) {
    const input = String.fromCharCode(...Array.from({ length: random.below(20) }, () => random.below(0xd800)));
    for (const method of Echo.methods) {
      const link: Link = { method, input: random.chance(2) ? input : undefined };
      const { hash } = new URL(`http://localhost/${formatLink(link)}`);
      assert.deepEqual(parseLink(hash, [Echo]), link);
    }
  }
});

test("a link that cannot be followed has a problem, and an empty fragment is not a link", () => {
  for (const [fragment, expected] of [
    ["", undefined],
    ["#", undefined],
    ["#/", undefined],
    ["#call", "malformed"],
    ["#/fixture.Echo", "malformed"],
    ["#/fixture.Echo/Say/", "malformed"],
    ["#/fixture.Echo/Say?other=1", "malformed"],
    ["#/fixture.Echo/Say?input=%", "malformed"],
    ["#/fixture.Echo/Say?input=%ff", "malformed"],
    ["#/fixture.Echo/Shout", "unknown"],
    ["#/other.Echo/Say", "unknown"],
    ["#/constructor/constructor", "unknown"],
  ] as const) {
    assert.equal(parseLink(fragment, [Echo]), expected, fragment);
  }
});
