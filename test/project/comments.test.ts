/** Tests the comments of protos: the plugin that writes them to JSON, and the page that is built with them. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { buildPage } from "../../web/build.ts";
import { ROOT, run } from "../support/command.ts";

const PROTO = `edition = "2023";

// The package's own comment, which is left out.
package some.v1;

// A service.
//
//   Indented text, "quoted".
service SomeService {
  // buf:lint:ignore RPC_REQUEST_STANDARD_NAME
  // A method.
  rpc Do(Whole) returns (Whole);
  rpc WithoutComment(Whole) returns (Whole);
}

/* A message
 * in a block. */
message Whole {
  int32 a = 1; // After a field.
  // Before a field.
  int32 b = 2; // After the same field.
  // buf:lint:ignore FIELD_LOWER_SNAKE_CASE
  int32 E = 4; // After a directive.
  // A oneof.
  oneof kind {
    // A field of it.
    string c = 3;
  }
  // Nested.
  message Part {
    // Of the nested one.
    int32 d = 1;
  }
  // A nested enum.
  enum Size {
    // Its value.
    SIZE_UNSPECIFIED = 0;
  }
}

enum Color {
  // 없음
  COLOR_UNSPECIFIED = 0;
}
`;

test("the plugin writes each comment by its full name, and no file without comments", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "comments-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "some.proto"), PROTO);
  writeFileSync(join(folder, "bare.proto"), 'syntax = "proto3";\nmessage Bare {}\n');
  const local = [join(ROOT, "tools/node.sh"), join(ROOT, "tools/protoc-gen-comments.ts")];
  const template = JSON.stringify({ version: "v2", plugins: [{ local, out: join(folder, "out") }] });
  const { code, stderr } = await run("buf", ["generate", folder, "--template", template]);
  assert.equal(code, 0, stderr);
  assert.deepEqual(readdirSync(join(folder, "out")), ["some_comments.json"]);
  assert.deepEqual(JSON.parse(readFileSync(join(folder, "out/some_comments.json"), "utf8")), {
    "some.v1.SomeService": 'A service.\n\n  Indented text, "quoted".',
    "some.v1.SomeService.Do": "A method.",
    "some.v1.Whole": "A message\nin a block.",
    "some.v1.Whole.a": "After a field.",
    "some.v1.Whole.b": "Before a field.",
    "some.v1.Whole.E": "After a directive.",
    "some.v1.Whole.kind": "A oneof.",
    "some.v1.Whole.c": "A field of it.",
    "some.v1.Whole.Part": "Nested.",
    "some.v1.Whole.Part.d": "Of the nested one.",
    "some.v1.Whole.Size": "A nested enum.",
    "some.v1.Whole.SIZE_UNSPECIFIED": "Its value.",
    "some.v1.COLOR_UNSPECIFIED": "없음",
  });
});

test("the page has the comments of every contract but those of health and reflection", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "comments-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const generated = join(folder, "gen");
  const contracts = ["service", "health/records/v1/records", "health/v1/health", "grpc/reflection/v1/reflection"];
  for (const contract of contracts) {
    const file = join(generated, `${contract}_comments.json`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify({ [contract]: `The comment of ${contract}.` }));
  }
  await buildPage(join(folder, "page"), join(folder, "no-results"), generated);
  const [script = ""] = readdirSync(join(folder, "page")).filter((name) => name.endsWith(".js"));
  const code = readFileSync(join(folder, "page", script), "utf8");
  const shown = contracts.filter((contract) => code.includes(`The comment of ${contract}.`));
  assert.deepEqual(shown, ["service", "health/records/v1/records"]);
});
