/** Tests that a shell reads the commands to paste as intended, with hostile Host headers and names of certificates. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type DescMessage, type DescService, fromJsonString } from "@bufbuild/protobuf";
import { hostOf } from "../../src/server/http/authority.ts";
import { type Address, exampleOf, shellCommands, usageLines, withPort } from "../../src/server/site/usage.ts";
import { CallService } from "../gen/calls/v1/calls_pb.ts";
import { run } from "../support/command.ts";
import { compileContract } from "../support/protos.ts";
import { startServer } from "../support/server.ts";

const PROCEDURE = "calls.v1.CallService/Add";
const JSON_TYPE = ["-H", "Content-Type: application/json"];
const DATA = ["-d", '{"a":1,"b":2}'];

/** Valid authorities that a shell would interpret if they were not quoted. */
const HOSTILE = [
  "a;touch-a:80",
  "a&b:80",
  "$(id):80",
  "$HOME:80",
  "it's:80",
  "'&id&':80",
  "*:80",
  "(a):80",
  "[::1]:50051",
  "[::1]:80",
];

const KINDS_OF_SERVICES = `
syntax = "proto3";
package kinds.v1;
service Streams {
  rpc Send(stream Message) returns (Message);
  rpc Watch(Message) returns (stream Message);
}
service Mixed {
  rpc Watch(Message) returns (stream Message);
  rpc Get(Message) returns (Message);
}
service None {}
message Message {
  string text = 1;
}
`;

const TYPES = [
  ...[
    "Any",
    "Duration",
    "Empty",
    "FieldMask",
    "Struct",
    "Value",
    "ListValue",
    "Timestamp",
    "DoubleValue",
    "FloatValue",
  ],
  ...["Int64Value", "UInt64Value", "Int32Value", "UInt32Value", "BoolValue", "StringValue", "BytesValue"],
];

/** Has a method for each of protobuf's own types. */
const NESTED = `
syntax = "proto3";
package nested.v1;
import "google/protobuf/timestamp.proto";
message Outer {
  string name = 1;
  Middle middle = 2;
  Outer self = 3;
  google.protobuf.Timestamp time = 4;
  Bare bare = 5;
  int32 count = 6;
}
message Middle { Inner inner = 1; Outer outer = 2; repeated Inner list = 3; int32 size = 4; }
message Inner { bool is_last = 1; Deep deep = 2; }
message Deep { string left_out = 1; }
message Bare {}
`;

const OWN_TYPES = `
syntax = "proto3";
package own.v1;
${["any", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers"].map((name) => `import "google/protobuf/${name}.proto";`).join("\n")}
service Own {
${TYPES.map((name) => `rpc Get${name}(google.protobuf.${name}) returns (google.protobuf.Empty);`).join("\n")}
}
`;

for (const authority of HOSTILE) {
  test(`a shell reads the lines as intended with the authority ${authority}`, async (t) => {
    assert.notEqual(hostOf(authority), undefined);
    assert.deepEqual(await wordsOf(t, { scheme: "http", authority }), [
      ["grpcurl", "-plaintext", ...DATA, authority, PROCEDURE],
      ["npx", "buf", "curl", "--http2-prior-knowledge", ...DATA, `http://${authority}/${PROCEDURE}`],
      ["curl", ...JSON_TYPE, ...DATA, `http://${authority}/${PROCEDURE}`],
    ]);
  });

  test(`a shell reads the lines as intended over TLS, with hostile names of certificate and file, with the authority ${authority}`, async (t) => {
    const [ca, serverName] = ["it's a;file.pem", "*.a.example"];
    const port = authority.slice(authority.lastIndexOf(":"));
    assert.deepEqual(await wordsOf(t, { scheme: "https", authority, ca, serverName }), [
      ["grpcurl", "-cacert", ca, "-authority", serverName, ...DATA, authority, PROCEDURE],
      ["npx", "buf", "curl", "--cacert", ca, "--servername", serverName, ...DATA, `https://${authority}/${PROCEDURE}`],
      [
        ...["curl", "--cacert", ca, "--connect-to", `::${authority}`, ...JSON_TYPE, ...DATA],
        `https://${serverName}${port}/${PROCEDURE}`,
      ],
    ]);
  });
}

for (const [scheme, authority, target] of [
  ["http", "localhost", "localhost:80"],
  ["https", "localhost", "localhost:443"],
  ["https", "localhost:", "localhost:443"],
  ["http", "[::1]", "[::1]:80"],
  ["https", "[::1]", "[::1]:443"],
  ["https", "[::1]:80", "[::1]:80"],
  ["http", "localhost:443", "localhost:443"],
] as const) {
  test(`gRPC reaches ${scheme}://${authority} at ${target}`, async (t) => {
    assert.equal(withPort({ scheme, authority }), target);
    const [grpcurl = []] = await wordsOf(t, { scheme, authority });
    assert.equal(grpcurl.at(-2), target);
    const [, , curl = []] = await wordsOf(t, { scheme, authority, serverName: "a.example" });
    assert.equal(curl[curl.indexOf("--connect-to") + 1], `::${target}`);
    assert.equal(curl.at(-1), `${scheme}://a.example${/:\d+$/.exec(target)?.[0]}/${PROCEDURE}`);
  });
}

test("a message with every special character of a shell is one word", async (t) => {
  const json = JSON.stringify({ text: 'it\'s $(id) `id` "$HOME" \\ !x & ; *' });
  const commands = shellCommands(CallService.method.add, [json], { scheme: "http", authority: "a:1" });
  const words = await readWords(
    t,
    commands.map(({ text }) => text),
  );
  for (const line of words) assert.equal(line[line.indexOf("-d") + 1], json);
});

test("the lines call the first unary method, or the first method of a server without one", (t) => {
  const registry = compileContract(t, KINDS_OF_SERVICES);
  for (const [names, procedure] of [
    [["Streams", "Mixed"], "Mixed/Get"],
    [["Mixed"], "Mixed/Get"],
    [["Streams"], "Streams/Send"],
    [["None"], undefined],
  ] as const) {
    const services = names.map((name) => registry.getService(`kinds.v1.${name}`) as DescService);
    const lines = usageLines(services, { scheme: "http", authority: "a:1" });
    assert.equal(lines.length, procedure === undefined ? 0 : 3);
    for (const line of lines) assert.ok(line.includes(`kinds.v1.${procedure}`), line);
  }
});

test("the text of a server with only streams calls one of them, and not its health", async (t) => {
  const { url } = await startServer(t, {
    routes: (router) =>
      void router.service(compileContract(t, KINDS_OF_SERVICES).getService("kinds.v1.Streams") as DescService, {}),
  });
  const text = await (await fetch(url)).text();
  assert.match(text, /grpc\.health\.v1\.Health: Check, /);
  assert.match(text, /^ {2}grpcurl .* kinds\.v1\.Streams\/Send$/m);
});

test("the example of every type of protobuf's own is valid JSON of the type", (t) => {
  const registry = compileContract(t, OWN_TYPES);
  const { methods } = registry.getService("own.v1.Own") as DescService;
  assert.equal(methods.length, TYPES.length);
  for (const method of methods) {
    const [line = ""] = usageLines([{ ...method.parent, methods: [method] }], { scheme: "http", authority: "a:1" });
    const [, quoted, bare] = / -d (?:'(.*)'|(\S+)) a:1 /.exec(line) ?? [];
    assert.doesNotThrow(() => fromJsonString(method.input, String(quoted ?? bare)), line);
  }
});

test("an example has the messages inside, but none inside a message of its own type", (t) => {
  const registry = compileContract(t, NESTED);
  const example = exampleOf(registry.getMessage("nested.v1.Outer") as DescMessage);
  assert.deepEqual(example, { name: "name", middle: { size: 1, inner: { isLast: true } }, count: 1 });
});

function wordsOf(t: TestContext, address: Address): Promise<string[][]> {
  return readWords(t, usageLines([CallService], address));
}

/** Returns the words that a shell reads in each line. The folder has files that unquoted words could match. */
async function readWords(t: TestContext, lines: readonly string[]): Promise<string[][]> {
  const cwd = mkdtempSync(join(tmpdir(), "words-"));
  t.after(() => rmSync(cwd, { recursive: true }));
  writeFileSync(join(cwd, "1:50051"), ""); // matches the glob [::1]:50051
  mkdirSync(join(cwd, "http:/1:50051/calls.v1.CallService"), { recursive: true });
  writeFileSync(join(cwd, "http:/1:50051/calls.v1.CallService/Add"), "");
  return Promise.all(
    lines.map(async (line) => {
      const show = ["grpcurl", "npx", "curl"].map((name) => `${name}() { printf '%s\\0' ${name} "$@"; }`);
      const { code, stdout, stderr } = await run("sh", ["-c", [...show, line].join("\n")], { cwd });
      assert.deepEqual([code, stderr], [0, ""], line);
      return stdout.split("\0").slice(0, -1);
    }),
  );
}
