/** The limits are one table: the code, --help and the document say the same. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { limitsDocument } from "../docs/limits.ts";
import { HELP, LIMIT_SETTINGS, readConfig } from "../src/config.ts";
import { DEFAULT_LIMITS, LIMIT_NAMES, LIMITS } from "../src/server/limits.ts";

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
