/** Tests that the programs to paste reach the right address, with hostile characters in it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type DescMethodUnary, type DescService, fromJson } from "@bufbuild/protobuf";
import type { Address } from "../../src/server/site/usage.ts";
import { createSnippets } from "../../web/call/snippets.ts";
import { AddRequestSchema, CallService } from "../gen/calls/v1/calls_pb.ts";
import { run } from "../support/command.ts";
import { findJudge, findPython, PYTHON } from "../support/judge.ts";
import { compileContract } from "../support/protos.ts";
import { runPython } from "../support/python.ts";
import { startServer } from "../support/server.ts";

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

const LIBRARY = `
syntax = "proto3";
package library.v1;
import "google/protobuf/empty.proto";
service Library {
  rpc Move(Book.Way) returns (Book.Way);
  rpc Open(google.protobuf.Empty) returns (Book.Way);
}
message Book {
  message Way {
    string from = 1;
    string to = 2;
    int32 class = 3;
  }
}
`;

test("Python's program sends fields that are Python's keywords, nested messages, and protobuf's own", async (t) => {
  const python = await findPython(t, "grpc", "grpc_tools");
  if (python === undefined) return;
  const library = compileContract(t, LIBRARY).getService("library.v1.Library") as DescService;
  const { port } = await startServer(t, {
    routes: (router) =>
      void router.service(library, { move: (way: object) => way, open: () => ({ to: "all" }) } as object),
  });
  for (const [method, fields, printed] of [
    [library.method.move, { from: "a", to: "b", class: 3 }, 'from: "a"\nto: "b"\nclass: 3\n\n'],
    [library.method.open, {}, 'to: "all"\n\n'],
  ] as const) {
    const input = fromJson((method as DescMethodUnary).input, fields);
    const address = { scheme: "http", authority: `127.0.0.1:${port}` } as const;
    const snippets = createSnippets(method as DescMethodUnary, input, address);
    const program = snippets.find(({ name }) => name === "Python")?.text ?? "";
    assert.deepEqual(await runPython(t, python, program, { contract: LIBRARY }), {
      code: 0,
      stdout: printed,
      stderr: "",
    });
  }
});

function snippet(name: string, address: Address): string {
  const snippets = createSnippets(CallService.method.add, create(AddRequestSchema, { a: 1, b: 2 }), address);
  return snippets.find((each) => each.name === name)?.text ?? "";
}
