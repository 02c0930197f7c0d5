/** The limits are one table: the code, --help and the document say the same. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import { limitsDocument } from "../docs/limits.ts";
import { HELP, LIMIT_SETTINGS, readConfig } from "../src/config.ts";
import { DEFAULT_LIMITS, LIMIT_NAMES, LIMITS, type LimitName } from "../src/server/limits.ts";
import { CELLS, callIn } from "./support/cells.ts";
import { echoRoutes } from "./support/protos.ts";
import { startServer } from "./support/server.ts";

test("docs/limits.md is what npm run generate writes", () => {
  assert.equal(readFileSync("docs/limits.md", "utf8"), limitsDocument());
});

test("each limit stands in --help with its flag, default, unit and what it bounds, and in the document with all of its row", () => {
  for (const { name, flag } of LIMIT_SETTINGS) {
    const { default: value, unit, bounds, over, reason } = LIMITS[name];
    const line = HELP.split("\n").find((each) => each.startsWith(`  --${flag} `)) ?? "";
    for (const part of [String(value), unit, bounds]) assert.ok(line.includes(part), `${name}: ${part}`);
    const row = limitsDocument()
      .split("\n")
      .find((each) => each.startsWith(`| ${name}<br>`));
    for (const part of [`--${flag}`, unit, bounds, over, reason]) assert.ok(row?.includes(part), `${name}: ${part}`);
  }
});

test("without flags each limit has its default, and by its flag or variable it has another, or is off", () => {
  assert.deepEqual(readConfig([], {})?.limits, DEFAULT_LIMITS);
  for (const [index, { name, flag, env }] of LIMIT_SETTINGS.entries()) {
    const value = 1000 + index;
    assert.equal(readConfig([`--${flag}`, String(value)], {})?.limits[name], value);
    assert.equal(readConfig([], { [env]: String(value) })?.limits[name], value);
    const off = LIMITS[name].unit === "bytes/s" ? 0 : Number.POSITIVE_INFINITY;
    assert.equal(readConfig([`--${flag}`, "off"], {})?.limits[name], off);
  }
  assert.equal(new Set(LIMIT_SETTINGS.map(({ flag }) => flag)).size, LIMIT_NAMES.length);
});

test("a limit that is none is named with its flag, its unit and what is allowed", () => {
  for (const text of ["0", "-1", "1e3", "2147483648", "many", "unlimited"]) {
    assert.throws(() => readConfig([`--message-bytes=${text}`], {}), {
      message: `--message-bytes: ${JSON.stringify(text)} must be a whole number of bytes from 1 to 2147483647, or off`,
    });
  }
});

for (const cell of CELLS) {
  test(`a server with every limit off serves a large message in ${cell.name}`, async (t) => {
    const off = (name: LimitName) => (LIMITS[name].unit === "bytes/s" ? 0 : Number.POSITIVE_INFINITY);
    const limits = Object.fromEntries(LIMIT_NAMES.map((name) => [name, off(name)]));
    const { authority } = await startServer(t, { limits, routes: echoRoutes({ say: (request) => request }) });
    const text = "x".repeat(cell.protocol === "Connect GET" ? 5_000 : 1_000_000);
    const message = cell.codec === "json" ? JSON.stringify(text) : toBinary(StringValueSchema, stringValue(text));
    const { code, body } = await callIn(cell, authority, { path: "/fixture.Echo/Say", message: Buffer.from(message) });
    assert.equal(code, "ok");
    assert.deepEqual(body, Buffer.from(message));
  });
}

function stringValue(value: string) {
  return create(StringValueSchema, { value });
}
