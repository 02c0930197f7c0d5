/** The commands of the documents on the server run, and their code compiles. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { CHECK_MS, checkInCopy, testDocuments } from "../support/documents.ts";
import { DOCUMENTS } from "../support/markdown.ts";

testDocuments(DOCUMENTS, { files: ["deploy"] });

const WRONG = `
# Wrong

\`\`\`sh
true
false
echo "
\`\`\`

\`\`\`ts
// src/wrong.ts
export const wrong: number = "text";
\`\`\`

\`\`\`ts
export const right: number = 1;
\`\`\`

\`\`\`sh
echo one
echo two
\`\`\`

\`\`\`text
one
...wo
\`\`\`

\`\`\`text
three
\`\`\`

<!-- test: prints one -->
\`\`\`sh
echo one
echo two
\`\`\`

<!-- test: fails -->
\`\`\`sh
false
true
\`\`\`

\`\`\`diff
--- src/wrong.ts
-nothing of the file
\`\`\`

\`\`\`cobol
STOP RUN.
\`\`\`

<!-- test: appears -->

\`\`\`haproxy
# unused.cfg
defaults
\`\`\`

<!-- test: works -->
\`\`\`sh
true
\`\`\`

\`\`\`yaml
spec: { terminationGracePeriodSeconds: 1 }
\`\`\`

## Absent

\`\`\`sh
not-installed > file
cat file
\`\`\`

## Wrong again

\`\`\`sh
cat file
\`\`\`
`;

test("a wrong document is found wrong", { timeout: CHECK_MS }, async (t) => {
  const findings = await checkInCopy(t, WRONG, { programs: new Map([["not-installed", ["not-installed"]]]) });
  const bad = findings.filter(({ problem }) => problem !== undefined).map(({ line, text }) => [line, text]);
  assert.deepEqual(bad, [
    [6, "false"],
    [7, 'echo "'],
    [29, "text: three"],
    [36, "echo two"],
    [42, "true"],
    [45, "diff: --- src/wrong.ts"],
    [50, "cobol: STOP RUN."],
    [62, "works"],
    [66, "yaml: spec: { terminationGracePeriodSeconds: 1 }"],
    [80, "cat file"],
    [10, "compile src/wrong.ts"],
    [56, "unused.cfg"],
    [54, "<!-- test: appears -->"],
  ]);
  assert.match(
    findings.find(({ text }) => text === "compile src/wrong.ts")?.problem ?? "",
    /not assignable to type 'number'/,
  );
  const missing = findings.filter((finding) => finding.absent !== undefined).map(({ line }) => line);
  assert.deepEqual(missing, [73, 74]);
});

test("a server that does not start is found, and one that runs is ended", { timeout: CHECK_MS }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "served-"));
  t.after(() => rm(folder, { recursive: true }));
  const block = (command: string) => `\`\`\`sh\n${command}\n\`\`\`\n\n`;
  const findings = await checkInCopy(
    t,
    `<!-- test: serves -->\n${block("npm start")}` +
      block(`echo http://127.0.0.1:50051/healthz >${folder}/url\ncurl --silent --fail $(cat ${folder}/url)`) +
      `<!-- test: serves -->\n${block("npm start -- --nonsense")}`,
  );
  const [last, ...others] = findings.map(({ problem }) => problem).reverse();
  assert.deepEqual(others, [undefined, undefined, undefined]);
  assert.match(last ?? "", /it ended before .*[\s\S]*--nonsense/);
  await assert.rejects(fetch(await readFile(join(folder, "url"), "utf8")));
});

test("a command that hangs is found, and those after it are not run", { timeout: CHECK_MS }, async (t) => {
  const findings = await checkInCopy(t, "```sh\nsleep 1000\ntrue\n```\n", { hangMs: 100 });
  const problems = findings.map(({ problem = "" }) => problem);
  assert.match(problems[0] ?? "", /did not print .* in 100 ms/);
  assert.match(problems[1] ?? "", /not run: a command before it hangs/);
});
