/** Neither the tests of the server nor the benchmark depend on the service, which a person replaces with another one. */
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { test } from "node:test";
import { ROOT } from "../support/command.ts";

/** Files that may name the service or import it, with the reason. A path that ends with a slash is a folder. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  "test/service/": "it has the tests of the service",
  "test/web/tutorial.test.ts": "it compiles the tutorial's contract itself, for the page that only this contract has",
  "test/project/independence.test.ts": "it has the names that it looks for",
};

/** Matches names of the tutorial's service. */
const SERVICE = /\btest\.Test\b|\bGetSum\b/;
/** Matches the files that tests may import from src/ and gen/. */
const OF_SERVER = /^(?:src\/(?:server|package|program|telemetry|cli)|gen\/(?:health|grpc))\//;

const FILES = globSync("{test,bench}/**/*.{ts,py,go,rs,sh,yaml,json}", { cwd: ROOT })
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => !/^bench\/results\/|\/(?:node_modules|\.build|gen)\//.test(file));

test("no test of the server and no file of the benchmark names the service or imports it", () => {
  assert.ok(FILES.length > 150, String(FILES.length));
  const found = FILES.filter((file) => exceptionOf(file) === undefined).flatMap((file) =>
    findService(file, readFileSync(join(ROOT, file), "utf8")),
  );
  assert.deepEqual(found, []);
});

test("each exception is needed", () => {
  const needed = new Set(
    FILES.filter((file) => findService(file, readFileSync(join(ROOT, file), "utf8")).length > 0).map(exceptionOf),
  );
  const unused = Object.keys(EXCEPTIONS).filter((name) => existsSync(join(ROOT, name)) && !needed.has(name));
  assert.deepEqual(unused, []);
});

for (const [file, line, expected] of [
  ["test/http/x.test.ts", 'import { routes } from "../../src/routes.ts";', ["imports src/routes.ts"]],
  ["test/http/x.test.ts", 'import { Test } from "../../gen/service_pb.ts";', ["imports gen/service_pb.ts"]],
  ["test/http/x.test.ts", 'import { retry } from "../../src/client/retry.ts";', ["imports src/client/retry.ts"]],
  ["bench/x.ts", 'const { sum } = await import("../src/sum.ts");', ["imports src/sum.ts"]],
  ["bench/x.py", 'channel.unary_unary("/test.Test/GetSum")', ["names test.Test"]],
  ["test/http/x.test.ts", 'import { createServer } from "../../src/server/server.ts";', []],
  ["test/http/x.test.ts", 'import { Health } from "../../gen/health/v1/health_pb.ts";', []],
  ["test/http/x.test.ts", 'import { CallService } from "../gen/calls/v1/calls_pb.ts";', []],
] as const) {
  test(`${file} with ${line} ${expected.length > 0 ? "is found" : "is accepted"}`, () => {
    assert.deepEqual(
      findService(file, line),
      expected.map((problem) => `${file} ${problem}`),
    );
  });
}

function exceptionOf(file: string): string | undefined {
  return Object.keys(EXCEPTIONS).find((name) => file === name || (name.endsWith("/") && file.startsWith(name)));
}

/** Describes each import of the service and the first of its names in a file. */
function findService(file: string, source: string): string[] {
  const imports = source
    .matchAll(/\b(?:from\s+|import\s+|import\s*\(\s*)["'](\.[^"']+)["']/g)
    .map(([, path = ""]) => posix.join(posix.dirname(file), path))
    .filter((path) => /^(?:src|gen)\//.test(path) && !OF_SERVER.test(path))
    .map((path) => `${file} imports ${path}`);
  const name = SERVICE.exec(source)?.[0];
  return [...imports, ...(name === undefined ? [] : [`${file} names ${name}`])];
}
