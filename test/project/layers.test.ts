/** Checks every import in src/ and web/ against the table in ARCHITECTURE.md. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { test } from "node:test";

const ROOT = join(import.meta.dirname, "../..");

interface Row {
  readonly from: readonly string[];
  readonly mayImport: readonly string[];
}

/** The imports of each file. All names are in the form of the table. */
type Imports = Readonly<Record<string, readonly string[]>>;

const TABLE = readTable(readFileSync(join(ROOT, "ARCHITECTURE.md"), "utf8"));

test("every import in src/ and web/ is in the table, and everything in the table is there", () => {
  assert.deepEqual(problems(TABLE, readImports()), []);
});

test("no imports go in a circle, those of types included, neither of files nor of rooms", () => {
  const imports = readImports();
  assert.equal(circle(imports), undefined);
  assert.equal(circle(roomImports(TABLE, imports)), undefined);
});

test("a circle of imports is found", () => {
  assert.deepEqual(circle({ a: ["b"], b: ["c", "d"], c: [], d: ["b"] }), ["b", "d", "b"]);
  const rooms = [
    { from: ["a/*"], mayImport: ["b/*"] },
    { from: ["b/*"], mayImport: ["a/*"] },
  ];
  const imports = { "a/1": ["b/1"], "b/1": [], "b/2": ["a/2"], "a/2": [] };
  assert.equal(circle(imports), undefined);
  assert.deepEqual(circle(roomImports(rooms, imports)), ["a/*", "b/*", "a/*"]);
});

test("the table lets nothing in server/ import the service", () => {
  for (const { from, mayImport } of TABLE) {
    if (!from.some((name) => name.startsWith("server/"))) continue;
    for (const name of mayImport) {
      assert.match(
        name,
        /^(server\/|gen\/(health|grpc)\/|(node|protobuf|connect|connect-node)$)/,
        `${from} to ${name}`,
      );
    }
  }
});

const MADE_UP: readonly Row[] = [
  { from: ["main"], mayImport: ["server/*", "node"] },
  { from: ["server/a", "server/b"], mayImport: ["gen/x/*"] },
];
const AS_THE_TABLE_SAYS: Imports = { main: ["server/a", "node"], "server/a": ["gen/x/y_pb"], "server/b": [] };

for (const [name, imports, expected] of [
  ["imports that the table allows are accepted", {}, []],
  ["an import that is not in the table is a problem", { "server/b": ["main"] }, ["server/b imports main"]],
  ["an import of a package that is not in the table is a problem", { "server/b": ["node"] }, ["server/b imports node"]],
  ["a name that only begins like an allowed one is a problem", { "server/b": ["gen/xy"] }, ["server/b imports gen/xy"]],
  ["a file of a room that is in no row is a problem", { "server/c": [] }, ["server/c is in 0 rows"]],
  ["the service is in no row, and may import everything", { sum: ["server/a", "node"], "client/a": ["main"] }, []],
  ["an import of the service is a problem", { "server/b": ["sum"] }, ["server/b imports sum"]],
  ["a row for a file that is not there is a problem", { "server/b": undefined }, ["server/b does not exist"]],
  ["an arrow that no file needs is a problem", { main: ["server/a"] }, ["main does not import node"]],
] as const) {
  test(name, () => {
    const changed = Object.entries({ ...AS_THE_TABLE_SAYS, ...imports }).filter((entry) => entry[1] !== undefined);
    assert.deepEqual(problems(MADE_UP, Object.fromEntries(changed) as Imports), expected);
  });
}

test("the files of a room may import each other, and a room within it has a row of its own", () => {
  const rooms = [
    { from: ["a/*"], mayImport: ["a/inner/*"] },
    { from: ["a/inner/*"], mayImport: [] },
  ];
  const imports = { "a/1": ["a/2", "a/inner/1"], "a/2": [], "a/inner/1": ["a/inner/2"], "a/inner/2": [] };
  assert.deepEqual(problems(rooms, imports), []);
  assert.deepEqual(problems(rooms, { ...imports, "a/inner/2": ["a/2"] }), ["a/inner/2 imports a/2"]);
});

test("a file that is in two rows is a problem", () => {
  const twice = [...MADE_UP, { from: ["main"], mayImport: [] }];
  assert.deepEqual(problems(twice, AS_THE_TABLE_SAYS), ["main is in 2 rows"]);
});

test("imports of every form are read", () => {
  const source = `
    import a from "node:net";
    import { type B } from "../../gen/health/v1/health_pb.ts";
    import type {
      C,
    } from "./c.ts";
    import "@connectrpc/connect-node";
    export { d } from "../d.ts";
    await import("@bufbuild/protobuf/wkt");
  `;
  const names = ["node", "gen/health/v1/health_pb", "server/c", "connect-node", "d", "protobuf"];
  assert.deepEqual(importsOf("src/server/x.ts", source), names);
});

/** Describes each import that the table does not allow, and each entry of the table that nothing needs. */
function problems(table: readonly Row[], imports: Imports): string[] {
  const files = Object.keys(imports);
  const isOneOf = (name: string, patterns: readonly string[]): boolean => patterns.some((each) => matches(name, each));
  return [
    ...files.flatMap((file) => {
      const rows = rowsOf(table, file);
      if (rows.length === 0 && isService(file)) return [];
      const allowed = rows.flatMap(({ from, mayImport }) => [...from, ...mayImport]);
      const wrong = (imports[file] ?? []).filter((name) => !isOneOf(name, allowed));
      return [
        ...(rows.length === 1 ? [] : [`${file} is in ${rows.length} rows`]),
        ...wrong.map((name) => `${file} imports ${name}`),
      ];
    }),
    ...table.flatMap((row) => {
      const { from, mayImport } = row;
      const missing = from.filter((pattern) => !files.some((file) => matches(file, pattern)));
      const needed = files.filter((file) => rowsOf(table, file).includes(row)).flatMap((file) => imports[file] ?? []);
      const unused = mayImport.filter((pattern) => !needed.some((name) => matches(name, pattern)));
      return [
        ...missing.map((pattern) => `${pattern} does not exist`),
        ...unused.map((pattern) => `${from.join(", ")} does not import ${pattern}`),
      ];
    }),
  ];
}

/** True if the file is in src/, but not in one of the rooms that hold for every service. */
function isService(file: string): boolean {
  return !/^(?:package|program|telemetry|cli|server|web)\//.test(file);
}

/** Returns the rows that a file is in. A row for a folder within a folder takes its files out of the outer one's row. */
function rowsOf(table: readonly Row[], file: string): readonly Row[] {
  const lengthOf = ({ from }: Row): number =>
    Math.max(0, ...from.filter((pattern) => matches(file, pattern)).map((pattern) => pattern.length));
  const longest = Math.max(0, ...table.map(lengthOf));
  return longest === 0 ? [] : table.filter((row) => lengthOf(row) === longest);
}

/** Returns the first circle of imports, as a path that begins and ends with the same file. */
function circle(imports: Imports): readonly string[] | undefined {
  const finished = new Set<string>();
  function visit(file: string, path: readonly string[]): readonly string[] | undefined {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (finished.has(file)) return undefined;
    for (const name of imports[file] ?? []) {
      const found = visit(name, [...path, file]);
      if (found !== undefined) return found;
    }
    finished.add(file);
    return undefined;
  }
  for (const file of Object.keys(imports)) {
    const found = visit(file, []);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Returns for each row of the table the rows that its files import, so that circles of rooms can be found too. */
function roomImports(table: readonly Row[], imports: Imports): Imports {
  const nameOfRow = (row: Row): string => row.from.join(", ");
  return Object.fromEntries(
    table.map((row) => {
      const files = Object.keys(imports).filter((file) => rowsOf(table, file).includes(row));
      const rows = files.flatMap((file) => imports[file] ?? []).flatMap((name) => rowsOf(table, name));
      return [nameOfRow(row), [...new Set(rows.filter((each) => each !== row).map(nameOfRow))]];
    }),
  );
}

function isRoom(pattern: string): boolean {
  return pattern.endsWith("/*");
}

function matches(name: string, pattern: string): boolean {
  return isRoom(pattern) ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** Returns the rows of the table under "Import rules". */
function readTable(page: string): Row[] {
  const [, section = ""] = page.split("## Import rules");
  const rows = (section.match(/^\|.*\|$/gm) ?? []).map((row) => row.slice(1, -1).split("|").map(namesIn));
  assert.deepEqual(rows[0], [["files"], ["may import"]]);
  return rows.slice(2).map(([from = [], mayImport = []]) => ({ from, mayImport }));
}

function namesIn(cell: string): string[] {
  const names = cell.trim().replaceAll("\\*", "*"); // two stars in a cell would be emphasis
  return names === "nothing" ? [] : names.split(/, ?/);
}

function readImports(): Imports {
  const files = globSync(["src/**/*.ts", "web/**/*.ts", "web/**/*.tsx"], { cwd: ROOT }).map((file) =>
    file.replaceAll("\\", "/"),
  );
  return Object.fromEntries(
    files.map((file) => [nameOf(file), importsOf(file, readFileSync(join(ROOT, file), "utf8"))]),
  );
}

function importsOf(file: string, source: string): string[] {
  const specifiers = source
    .matchAll(/\b(?:from\s+|import\s+|import\s*\(\s*)["']([^"']+)["']/g)
    .map((match) => match[1] as string);
  return specifiers.map((specifier) => importedName(file, specifier)).toArray();
}

function importedName(file: string, specifier: string): string {
  if (specifier.startsWith(".")) return nameOf(posix.join(posix.dirname(file), specifier));
  if (specifier.startsWith("node:")) return "node";
  const [, name] = /^(?:@connectrpc|@bufbuild)\/([^/]+)/.exec(specifier) ?? [];
  return name ?? (specifier.split("/")[0] as string);
}

/** Returns the path of a file in the form of the table. */
function nameOf(path: string): string {
  return path.replace(/^src\//, "").replace(/\.tsx?$/, "");
}
