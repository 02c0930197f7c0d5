/** Tests the table of limits: the code, --help and docs/limits.md agree with it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { inspect } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import { limitsDocument } from "../../docs/limits.ts";
import { LIMIT_SETTINGS } from "../../src/cli/limit-settings.ts";
import { readConfig } from "../../src/program/config.ts";
import { helpText } from "../../src/program/help.ts";
import { LIMIT_GROUPS } from "../../src/server/limits/definition.ts";
import { DEFAULT_LIMITS, LIMIT_NAMES, LIMITS, type Limits } from "../../src/server/limits/limits.ts";
import { completeLimits, limitRange } from "../../src/server/limits/validation.ts";
import { createServer } from "../../src/server/server.ts";
import { CELLS, callIn } from "../support/cells.ts";
import { echoRoutes } from "../support/protos.ts";
import { startServer } from "../support/server.ts";

test("docs/limits.md is what npm run generate writes", () => {
  assert.equal(readFileSync("docs/limits.md", "utf8"), limitsDocument());
});

test("each limit is in --help with its flag, variable and default, and in the document with its whole row", () => {
  const text = helpText().replaceAll(/\n +(?=[^ -])/g, " ");
  for (const { name, flag, env, takes, default: value, defaultNote, help } of LIMIT_SETTINGS) {
    const { bounds, over, reason } = LIMITS[name];
    assert.ok(help.endsWith(bounds));
    const note = defaultNote === undefined ? "" : `; by default ${defaultNote}`;
    const shown = help
      .replaceAll("readRateMs", "--read-rate-ms")
      .replaceAll("readBytesPerSecond", "--read-bytes-per-second");
    assert.ok(text.includes(`\n  --${flag} ${takes}  [${env}, default ${value}] ${shown}${note}\n`), name);
    const row = limitsDocument()
      .split("\n")
      .find((each) => each.startsWith(`| ${name}<br>`));
    for (const part of [`--${flag}`, bounds, over, reason]) assert.ok(row?.includes(part), `${name}: ${part}`);
  }
});

test("--help names no limit by its option", () => {
  for (const name of LIMIT_NAMES.filter((each) => /[A-Z]/.test(each))) assert.ok(!helpText().includes(name), name);
});

test("--help groups the limits and is at most 100 columns wide", () => {
  for (const heading of Object.values(LIMIT_GROUPS)) assert.ok(helpText().includes(`\n${heading}:\n\n  --`), heading);
  for (const line of helpText().split("\n")) assert.ok(line.length <= 100, line);
});

test("without flags each limit has its default; a flag or variable sets another, or turns the limit off", () => {
  assert.deepEqual(readConfig([], {}).limits, DEFAULT_LIMITS);
  for (const [index, { name, flag, env }] of LIMIT_SETTINGS.entries()) {
    const { min, max, off } = limitRange(name);
    for (const value of [min + index, max]) {
      assert.equal(readConfig([`--${flag}`, String(value)], {}).limits[name], value);
      assert.equal(readConfig([], { [env]: String(value) }).limits[name], value);
    }
    assert.equal(readConfig([`--${flag}`, "off"], {}).limits[name], off);
  }
  assert.equal(new Set(LIMIT_SETTINGS.map(({ flag }) => flag)).size, LIMIT_NAMES.length);
});

for (const [args, limits] of [
  ["--request-ms 500ms", { requestMs: 500 }],
  ["--request-ms 5s", { requestMs: 5_000 }],
  ["--request-ms 90m", { requestMs: 5_400_000 }],
  ["--request-ms 1h", { requestMs: 3_600_000 }],
  ["--message-bytes 65535B", { messageBytes: 65_535 }],
  ["--message-bytes 64KiB", { messageBytes: 65_536 }],
  ["--message-bytes 4MiB", { messageBytes: 4_194_304 }],
  ["--buffered-bytes 3GiB", { bufferedBytes: 3_221_225_472 }],
  ["--read-bytes-per-second 2KiB/s", { readBytesPerSecond: 2_048 }],
  ["--read-bytes-per-second 2KiB", { readBytesPerSecond: 2_048 }],
] as const) {
  test(`${args} is read with its unit, in a flag and in a variable`, () => {
    const [flag = "", text] = args.slice(2).split(" ");
    assert.deepEqual(readConfig(args.split(" "), {}).limits, { ...DEFAULT_LIMITS, ...limits });
    const env = { [flag.toUpperCase().replaceAll("-", "_")]: text };
    assert.deepEqual(readConfig([], env).limits, { ...DEFAULT_LIMITS, ...limits });
  });
}

test("the times of a shutdown take units, and 0", () => {
  const args = ["--drain-delay-ms", "1m", "--drain-idle-ms", "0", "--grace-ms", "2s", "--abort-ms", "100ms"];
  const { delayMs, idleMs, graceMs, abortMs } = readConfig(args, {});
  assert.deepEqual({ delayMs, idleMs, graceMs, abortMs }, { delayMs: 60_000, idleMs: 0, graceMs: 2_000, abortMs: 100 });
});

const BYTES = "with a unit (64KiB, 4MiB, 1GiB), or off";
const MS = "with a unit (500ms, 5s, 1m, 1h)";
for (const [flag, texts, allowed] of [
  [
    "message-bytes",
    [
      "0",
      "-1",
      "1e3",
      "2147483648",
      "2GiB",
      "many",
      "unlimited",
      "64KB",
      "64K",
      "64 KiB",
      "1.5KiB",
      "5s",
      "",
      "1constructor",
    ],
    `a whole number of bytes from 1 to 2147483647 or ${BYTES}`,
  ],
  ["send-buffer-bytes", ["100", "65534", "1KiB"], `a whole number of bytes from 65535 to 2147483647 or ${BYTES}`],
  ["connection-window-bytes", ["1", "2147483648"], `a whole number of bytes from 65535 to 2147483647 or ${BYTES}`],
  ["read-bytes-per-second", ["0", "1s", "/s"], `a whole number of bytes/s from 1 to 2147483647 or ${BYTES}`],
  [
    "request-ms",
    ["0", "0s", "5 s", "1d", "1KiB", "597h"],
    `a whole number of ms from 1 to 2147483647 or ${MS}, or off`,
  ],
  ["connections", ["0", "5s", "1KiB"], "a whole number of connections from 1 to 2147483647, or off"],
  ["grace-ms", ["off", "-1", "597h"], `a whole number of ms from 0 to 2147483647 or ${MS}`],
] as const) {
  test(`--${flag} refuses a value that it cannot take, and says what is allowed`, () => {
    for (const text of texts) {
      assert.throws(() => readConfig([`--${flag}=${text}`], {}), {
        message: `--${flag}: ${JSON.stringify(text)} must be ${allowed}`,
      });
    }
  });
}

for (const [limits, error, message] of [
  [
    { sendBufferBytes: 100 },
    RangeError,
    "limits.sendBufferBytes: 100 must be a whole number of bytes from 65535 to 2147483647, or Infinity for no limit",
  ],
  [
    { connectionWindowBytes: 65_534 },
    RangeError,
    /^limits\.connectionWindowBytes: 65534 must be .* from 65535 to 2147483647/,
  ],
  [{ streamWindowBytes: 2 ** 31 }, RangeError, /^limits\.streamWindowBytes: 2147483648 must be .* to 2147483647/],
  [{ callsInFlight: 0 }, RangeError, /^limits\.callsInFlight: 0 must be a whole number of calls from 1 to/],
  [{ idleMs: -1 }, RangeError, /^limits\.idleMs: -1 must be/],
  [{ idleMs: Number.NaN }, RangeError, /^limits\.idleMs: NaN must be/],
  [{ idleMs: 1.5 }, RangeError, /^limits\.idleMs: 1\.5 must be/],
  [
    { readBytesPerSecond: Number.POSITIVE_INFINITY },
    RangeError,
    /^limits\.readBytesPerSecond: Infinity must be .*, or 0 for no limit$/,
  ],
  [
    { idleMs: "5s" },
    TypeError,
    "limits.idleMs: '5s' must be a whole number of ms from 1 to 2147483647, or Infinity for no limit",
  ],
  [{ idleMs: 5n }, TypeError, /^limits\.idleMs: 5n must be/],
  [{ idleMs: null }, TypeError, /^limits\.idleMs: null must be/],
  [{ idlems: 5 }, TypeError, "limits.idlems: unknown limit; docs/limits.md lists them all"],
  [{ toString: 5 }, TypeError, "limits.toString: unknown limit; docs/limits.md lists them all"],
] as const) {
  test(`createServer refuses the limits ${inspect(limits)} with a ${error.name}`, () => {
    const options = { routes: () => {}, limits: limits as unknown as Partial<Limits> };
    assert.throws(() => createServer(options), { name: error.name, message });
  });
}

for (const [old, name] of [
  ["gatheredBytes", "bufferedBytes"],
  ["gatheredBytesPerConnection", "bufferedBytesPerConnection"],
  ["abandonedHandlers", "cancelledHandlers"],
  ["abandonedHandlersPerConnection", "cancelledHandlersPerConnection"],
  ["farewellMs", "gracefulCloseMs"],
  ["pingAnswerMs", "pingTimeoutMs"],
  ["unsentBytes", "sendBufferBytes"],
] as const) {
  test(`the old name ${old} is refused as option, flag and variable, and the new one is named`, () => {
    const flag = old.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const newFlag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const [variable, newVariable] = [flag, newFlag].map((each) => each.toUpperCase().replaceAll("-", "_"));
    const limits = { [old]: 1_000_000 } as Partial<Limits>;
    assert.throws(() => createServer({ routes: () => {}, limits }), {
      name: "TypeError",
      message: `limits.${old}: renamed to ${name}`,
    });
    const flagMessage = `--${flag}: renamed to --${newFlag}`;
    for (const args of [[`--${flag}=1000000`], [`--${flag}`, "1000000"], [`--${flag}`]])
      assert.throws(() => readConfig(args, {}), { message: flagMessage });
    const message = `${variable}: renamed to ${newVariable}`;
    assert.throws(() => readConfig([], { [variable as string]: "1000000" }), { message });
    assert.deepEqual(readConfig([], { [variable as string]: "" }).limits, DEFAULT_LIMITS);
  });
}

test("createServer refuses the options lane and http2: own, and names the new spellings", () => {
  const start = (options: object) => () => createServer({ routes: () => {}, ...options });
  assert.throws(start({ lane: false }), { name: "TypeError", message: "createServer: lane was renamed to fastPath" });
  const message = 'http2: "own" was renamed to "built-in"';
  assert.throws(start({ http2: "own" }), {
    name: "TypeError",
    message: "createServer: http2 'own' was renamed to \"built-in\"",
  });
  assert.throws(() => readConfig(["--http2", "own"], {}), { message: `--${message}` });
  assert.throws(() => readConfig([], { HTTP2: "own" }), { message: message.replace("http2", "HTTP2") });
});

test("createServer uses the default of a limit that is undefined", () => {
  assert.deepEqual(completeLimits({ idleMs: undefined } as unknown as Partial<Limits>), DEFAULT_LIMITS);
});

for (const cell of CELLS) {
  test(`a server with every limit off serves a large message in ${cell.name}`, async (t) => {
    const limits = Object.fromEntries(LIMIT_NAMES.map((name) => [name, limitRange(name).off]));
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
