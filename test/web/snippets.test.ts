/** Tests that the programs to paste reach the right address, with hostile characters in it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, createFileRegistry, type DescService } from "@bufbuild/protobuf";
import type { Address } from "../../src/server/site/usage.ts";
import { createSnippets } from "../../web/call/snippets.ts";
import { AddRequestSchema, CallService } from "../gen/calls/v1/calls_pb.ts";
import { run } from "../support/command.ts";
import { findJudge, PYTHON } from "../support/judge.ts";
import { compile, Kinds } from "../support/protos.ts";
import { Random } from "../support/random.ts";
import { randomMessage } from "../support/random-message.ts";

const ADDRESSES: readonly (readonly [address: Address, target: string])[] = [
  [{ scheme: "http", authority: "it's'+exit(1)+'a:80" }, "it's'+exit(1)+'a:80"],
  [{ scheme: "https", authority: "$(id)&;*:1" }, "$(id)&;*:1"],
  [{ scheme: "http", authority: "localhost" }, "localhost:80"],
  [{ scheme: "https", authority: "[::1]" }, "[::1]:443"],
];

for (const [address, target] of ADDRESSES) {
  const { scheme, authority } = address;

  test(`Python's channel is to ${target} for a page of ${scheme}://${authority}`, async (t) => {
    const python = findJudge(t, PYTHON);
    if (python === undefined) return;
    const [, argument] = /_channel\((.*?)(?:, grpc\.ssl.*)?\) as channel:/.exec(snippet("Python", address)) ?? [];
    const script = "import ast, sys; sys.stdout.write(ast.literal_eval(sys.stdin.read()))";
    assert.deepEqual(await run(python, ["-c", script], { input: String(argument) }), {
      code: 0,
      stdout: target,
      stderr: "",
    });
  });

  test(`TypeScript's transport is to ${scheme}://${authority}`, async () => {
    const [, argument] = /baseUrl: (.*), httpVersion/.exec(snippet("TypeScript", address)) ?? [];
    const { stdout, stderr } = await run("node", ["-p", String(argument)]);
    assert.deepEqual([stdout, stderr], [`${scheme}://${authority}\n`, ""]);
  });
}

test("a binary header that is not in base64 is text in the program", () => {
  const input = create(AddRequestSchema);
  const options = { headers: [["x-bin", "it's not"]] } as const;
  const snippets = createSnippets(CallService.method.add, [input], { scheme: "http", authority: "a:1" }, options);
  assert.match(snippets.find(({ name }) => name === "Python")?.text ?? "", /metadata=\[\("x-bin", b"it's not"\)\]/);
});

test("random messages of every type have programs, even if they are not valid in JSON", () => {
  const random = new Random(1);
  const registry = createFileRegistry(compile("test/fixtures/snippets"));
  const everything = registry.getService("acme.everything.v1.EverythingService") as DescService;
  const address = { scheme: "http", authority: "a:1" } as const;
  for (const method of [...everything.methods, ...Kinds.methods]) {
    for (let run = 0; run < 100; run++) {
      const names = createSnippets(method, [randomMessage(random, method.input)], address, { registry }).map(
        ({ name }) => name,
      );
      assert.deepEqual(names.slice(-2), ["Python", "TypeScript"]);
    }
  }
});

function snippet(name: string, address: Address): string {
  const snippets = createSnippets(CallService.method.add, [create(AddRequestSchema, { a: 1, b: 2 })], address);
  return snippets.find((each) => each.name === name)?.text ?? "";
}
