/** The manifest and the README of the package hold what the code has. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SERVER_LIMITS } from "../../src/server/adapters/options.ts";
import { LIMITS } from "../../src/server/limits/limits.ts";
import { ROUTES_RULES, SERVER_RULES } from "../../src/server/option-validation.ts";
import { ROOT } from "../support/command.ts";
import { codeSpans } from "../support/markdown.ts";

const README = read("src/package/README.md");
const MANIFEST = JSON.parse(read("src/package/package.json"));
const { dependencies: PINNED } = JSON.parse(read("package.json"));

/** The entry files by the name from which they are imported. */
const ENTRIES = new Map(
  ["server", "node", "run"].map((name) => {
    const source = read(`src/package/${name}.ts`);
    return [name === "server" ? MANIFEST.name : `${MANIFEST.name}/${name}`, { name, source }];
  }),
);

test("the README lists the options that are declared", () => {
  const ofRoutes = Object.keys(ROUTES_RULES);
  assert.deepEqual(firstCells("### Options of the routes"), ofRoutes.toSorted());
  const ofRepository = ["page"]; // marked as internal, so that the declarations do not have it
  const ofServer = Object.keys(SERVER_RULES).filter((name) => ![...ofRoutes, ...ofRepository].includes(name));
  assert.deepEqual(firstCells("### Options of the server"), ofServer.toSorted());
});

test("the README names the defaults of the limits on messages and calls", () => {
  const { messageBytes, deadlineMs } = LIMITS;
  const message = `${messageBytes.default / 2 ** 20} MiB`;
  assert.ok(
    README.includes(`has at most ${message}, and a unary call takes at most ${deadlineMs.default / 60_000} minutes`),
  );
  assert.match(README, new RegExp(`^\\| \`readMaxBytes\`[^\n]*\\| ${message} +\\|$`, "m"));
});

test("the README lists the limits that an adapter does not enforce", () => {
  const listed = rows("### Limits of an adapter").flatMap(([limits = []]) => limits);
  assert.deepEqual(listed.toSorted(), SERVER_LIMITS.toSorted());
});

test("the package has the files that its README links to", () => {
  const files = Array.from(README.matchAll(/\]\(([^#:)]+)\)/g), ([, file = ""]) => file);
  assert.ok(files.includes("docs/limits.md"));
  for (const file of files) assert.ok(MANIFEST.files.includes(file.split("/")[0]), file);
});

test("the README lists the exported names", () => {
  const [, section = ""] = README.split("## Exports\n");
  const listed = /^`([^`]+)`:\n\n- values: ([\s\S]*?)\n- types: ([\s\S]*?)(?:\n\n|\n?$(?![\s\S]))/gm;
  assert.deepEqual(
    Array.from(section.matchAll(listed), ([, entry, values = "", types = ""]) => [
      entry,
      namesIn(values),
      namesIn(types),
    ]),
    [...ENTRIES].map(([entry, { source }]) => [entry, ...exportsOf(source)]),
  );
});

test("the exports of every form are read", () => {
  const source = `
    export { type A, b } from "./a.ts";
    export type { C as D } from "./c.ts";
    export {
      e,
    } from "./e.ts";`;
  assert.deepEqual(exportsOf(source), [
    ["b", "e"],
    ["A", "D"],
  ]);
});

test("the manifest exports each entry in both forms, each with its declarations", () => {
  const files = [...ENTRIES.values()].map(({ name }) => `src/package/${name}.ts`);
  assert.deepEqual(globSync("src/package/*.ts", { cwd: ROOT }).toSorted(), files.toSorted());
  const entries = [...ENTRIES].map(([entry, { name }]) => {
    const form = (folder: string) => ({
      types: `./${folder}/src/package/${name}.d.ts`,
      default: `./${folder}/src/package/${name}.js`,
    });
    return [entry.replace(MANIFEST.name, "."), { import: form("esm"), require: form("cjs") }];
  });
  assert.deepEqual(MANIFEST.exports, { ...Object.fromEntries(entries), "./package.json": "./package.json" });
  const others = [...ENTRIES.values()].filter(({ name }) => name !== "server");
  const forOldResolution = others.map(({ name }) => [name, [`./cjs/src/package/${name}.d.ts`]]);
  assert.deepEqual(MANIFEST.typesVersions, { "*": Object.fromEntries(forOldResolution) });
});

test("the manifest asks for the minor version of Connect that the tests pin, and for Connect's protobuf-es", () => {
  const connect = JSON.parse(read("node_modules/@connectrpc/connect/package.json"));
  const [major, minor] = PINNED["@connectrpc/connect"].split(".");
  const optional = Object.keys(MANIFEST.peerDependenciesMeta);
  assert.deepEqual(
    MANIFEST.peerDependenciesMeta,
    Object.fromEntries(optional.map((name) => [name, { optional: true }])),
  );
  // The packages of telemetry, which are imported only if a setting asks for them.
  // OpenTelemetry's ranges are wide: an application with an older SDK registers its own provider, and must be installable.
  const rangeOf = (name: string): string =>
    name.startsWith("@opentelemetry/") ? MANIFEST.peerDependencies[name] : `^${PINNED[name].replace(/\.\d+$/, ".0")}`;
  const ranges = Object.fromEntries(optional.map((name) => [name, rangeOf(name)]));
  assert.deepEqual(MANIFEST.peerDependencies, {
    "@bufbuild/protobuf": connect.peerDependencies["@bufbuild/protobuf"],
    "@connectrpc/connect": `~${major}.${minor}.0`,
    ...ranges,
  });
  assert.equal(MANIFEST.dependencies, undefined);
  // Without a version, npm would install a newer minor version of Connect, and only warn.
  const install = `npm install ${MANIFEST.name} @connectrpc/connect@~${major}.${minor}.0 @bufbuild/protobuf\n`;
  assert.ok(README.includes(install), install);
});

test("the changes of the version are listed", () => {
  assert.ok(read("src/package/CHANGELOG.md").includes(`\n## ${MANIFEST.version}\n`));
});

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** Returns the code spans of a text, sorted. */
function namesIn(text: string): string[] {
  return codeSpans(text)
    .map((span) => span.text)
    .toSorted();
}

/** Returns the code spans of each cell in the table below a heading of the README. */
function rows(heading: string): string[][][] {
  const [, section = ""] = README.split(`${heading}\n`);
  const [, table = ""] = /^\|.*\|\n\|[-| ]+\|\n((?:\|.*\|\n)+)/m.exec(section) ?? [];
  return table
    .trimEnd()
    .split("\n")
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => codeSpans(cell).map(({ text }) => text)),
    );
}

/** Returns the code spans in the first column of a table, sorted. */
function firstCells(heading: string): string[] {
  return rows(heading)
    .flatMap(([first = []]) => first)
    .toSorted();
}

/** Returns the names of the values and of the types that an entry file exports. */
function exportsOf(source: string): [values: string[], types: string[]] {
  const values: string[] = [];
  const types: string[] = [];
  for (const [, allTypes, names = ""] of source.matchAll(/export (type )?\{([^}]*)\}/g)) {
    for (const each of names
      .split(",")
      .map((name) => name.trim())
      .filter(Boolean)) {
      const [, isType, name = ""] = /^(type )?(?:\w+ as )?(\w+)$/.exec(each) ?? [];
      (allTypes || isType ? types : values).push(name);
    }
  }
  return [values.toSorted(), types.toSorted()];
}
