/** Tests that a shell reads the commands to paste as intended, with hostile Host headers and names of certificates. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { hostOf } from "../../src/server/http/authority.ts";
import { type Address, shellLines, usageLines, withPort } from "../../src/server/site/usage.ts";
import { CallService } from "../gen/calls/v1/calls_pb.ts";
import { run } from "../support/command.ts";

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
  const words = await readWords(t, shellLines(CallService.method.add, json, { scheme: "http", authority: "a:1" }));
  for (const line of words) assert.equal(line[line.indexOf("-d") + 1], json);
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
