/** Checks the language of comments, messages and documents by rules that a regular expression can check. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../support/command.ts";
import { type Prose, proseOf } from "../support/prose.ts";

interface Rule {
  readonly name: string;
  readonly pattern: RegExp;
  readonly kinds: readonly Prose["kind"][];
  readonly broken: string;
  readonly kept: string;
}

/** The rules, each with a sentence that breaks it and one that keeps it. */
const RULES: readonly Rule[] = [
  {
    name: "a comment or paragraph opens with a verb or a noun",
    pattern: /^(?:What|Whether|Where|How|Why|Who|When|Whose)\b(?=(?:\W+\w+){3})/,
    kinds: ["comment", "paragraph"],
    broken: "Whether all of the handlers run",
    kept: "True if all handlers are running",
  },
  {
    name: "conditions are told with if and when, not with where",
    pattern: /\bwhere\b/i,
    kinds: ["comment", "string", "paragraph"],
    broken: "Returns undefined where the stream is closed",
    kept: "Returns undefined if the stream is closed",
  },
  {
    name: "what does not exist is told with not, without or invalid",
    pattern: /\b(?:is|are|was|were|be) (?:no|none|nothing)\b/i,
    kinds: ["comment", "string", "paragraph"],
    broken: "Undefined if it is no origin",
    kept: "Undefined if it is not an origin",
  },
];

/** This file, which has sentences that break the rules. */
const SELF = "test/project/language.test.ts";

const FILES = [
  "{src,web,bench,docs,examples,test,tools}/**/*.{ts,tsx}",
  "*.md",
  "{docs,bench,src/package,examples/*}/*.md",
]
  .flatMap((pattern) => globSync(pattern, { cwd: ROOT, exclude: (path) => /node_modules|dist|\.build/.test(path) }))
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => path !== SELF)
  .sort();

for (const rule of RULES) {
  test(rule.name, () => {
    assert.deepEqual(
      FILES.flatMap((file) => problems(file, readFileSync(join(ROOT, file), "utf8"), [rule])),
      [],
    );
  });

  test(`${rule.name}: a text that breaks the rule is found`, () => {
    assert.deepEqual(problems("a.ts", `/** ${rule.broken}. */\n`, [rule]), [`a.ts:1: ${rule.broken}.`]);
    assert.deepEqual(problems("a.ts", `const a = 1; // ${rule.broken}\n`, [rule]), [`a.ts:1: ${rule.broken}`]);
    assert.deepEqual(problems("a.md", `# A\n\n- ${rule.broken}.\n`, [rule]), [`a.md:3: ${rule.broken}.`]);
    assert.deepEqual(problems("a.ts", `/**\n * ${rule.kept}.\n */\n`, [rule]), []);
  });
}

test("messages are held by the rules for them, and code is not prose", () => {
  const source = 'log("listen there: the address is no address at all");\nconst where = 1; // a place\n';
  assert.deepEqual(problems("a.ts", source, RULES), ["a.ts:1: listen there: the address is no address at all"]);
  assert.deepEqual(problems("a.md", "```sh\nwhere npm\n```\n\nIn `where`.\n", RULES), []);
});

test("the files include code and documents", () => {
  for (const file of [
    "src/main.ts",
    "src/server/limits/limits.ts",
    "web/view/page.tsx",
    "CONTRIBUTING.md",
    "docs/limits.md",
  ])
    assert.ok(FILES.includes(file), file);
});

function problems(file: string, source: string, rules: readonly Rule[]): string[] {
  return proseOf(file, source)
    .filter(({ text, kind }) => {
      const words = text.replace(/`[^`]*`/g, "`code`");
      return rules.some(({ kinds, pattern }) => kinds.includes(kind) && pattern.test(words));
    })
    .map(({ text, line }) => `${file}:${line}: ${text}`);
}
