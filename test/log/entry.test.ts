/** Tests that the text of an exception cannot forge a log entry, and that a terminal gets no control characters. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CELLS, callIn } from "../support/cells.ts";
import { echoRoutes } from "../support/protos.ts";
import { startServer } from "../support/server.ts";

const SAY = "/fixture.Echo/Say";
const FORGED = "limit connections: forged";
const CELL = CELLS[0] as (typeof CELLS)[number];
/** All characters that a viewer may treat as the end of a line. */
const LINE_ENDS = /\r\n|[\n\v\f\r\x85\u2028\u2029]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be in the log
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/;

function withName(name: string): Error {
  const error = new Error("text");
  error.name = name;
  error.stack = `${error}\n    at somewhere`;
  return error;
}

const THROWN: Readonly<Record<string, { readonly value: () => unknown; readonly shown: RegExp }>> = {
  "a line feed": { value: () => new Error(`a\n${FORGED}`), shown: /Error: a\n {4}limit connections: forged\n {4}at / },
  "two line feeds": { value: () => new Error(`a\n\n${FORGED}`), shown: /Error: a\n {4}\n {4}limit/ },
  "CR and LF": { value: () => new Error(`a\r\n${FORGED}`), shown: /Error: a\n {4}limit/ },
  "a carriage return": { value: () => new Error(`a\r${FORGED}`), shown: /Error: a\\x0dlimit/ },
  "a line separator": { value: () => new Error(`a\u2028${FORGED}`), shown: /Error: a\\u2028limit/ },
  "a paragraph separator": { value: () => new Error(`a\u2029${FORGED}`), shown: /Error: a\\u2029limit/ },
  "NEL, a C1 control": { value: () => new Error(`a\x85${FORGED}`), shown: /Error: a\\x85limit/ },
  "CSI, a C1 control": { value: () => new Error("a\x9b2J"), shown: /Error: a\\x9b2J/ },
  "an escape sequence": { value: () => new Error("a\x1b[2J\x07\x00\x7f"), shown: /Error: a\\x1b\[2J\\x07\\x00\\x7f/ },
  "reversed text": { value: () => new Error("a\u202eb\u2066"), shown: /Error: a\\u202eb\\u2066/ },
  "a name with a line feed": {
    value: () => withName(`A\n${FORGED}`),
    shown: /: A\n {4}limit connections: forged: text\n/,
  },
  "a stack of its own": {
    value: () => Object.assign(new Error("a"), { stack: `a\n${FORGED}\r\x1b[2J` }),
    shown: /: a\n {4}limit connections: forged\\x0d\\x1b\[2J$/,
  },
  "a stack that is a number": { value: () => Object.assign(new Error("a"), { stack: 7 }), shown: /: 7$/ },
  "a string": { value: () => `a\n${FORGED}`, shown: /: a\n {4}limit connections: forged$/ },
  "an object without text": { value: () => Object.create(null), shown: /: a value that cannot be shown as text$/ },
  "a long text": { value: () => "x".repeat(100_000), shown: /x\n {4}\.\.\. and 8\d\d\d\d characters more$/ },
  "a tab and a letter beyond ASCII": { value: () => "a\tä", shown: /: a\tä$/ },
};

for (const [name, { value, shown }] of Object.entries(THROWN)) {
  for (const fastPath of [true, false]) {
    test(`an exception with ${name} is one entry of the log, ${fastPath ? "with" : "without"} the fast path`, async (t) => {
      const { authority, log } = await startServer(t, {
        fastPath,
        routes: echoRoutes({
          say() {
            throw value();
          },
        }),
      });
      const message = CELL.codec === "proto" ? Buffer.from("\x0a\x01a") : Buffer.from('"a"');
      const { code } = await callIn(CELL, authority, { path: SAY, message });
      assert.equal(code, "internal");
      const [entry = "", ...more] = log.splice(0);
      assert.deepEqual(more, []);
      assert.match(entry, shown);
      assert.doesNotMatch(entry, CONTROL);
      const [first = "", ...further] = entry.split(LINE_ENDS);
      assert.ok(first.startsWith(`handle ${SAY} by `), first);
      for (const line of further) assert.match(line, /^ {4}/);
      assert.ok(entry.length < 20_000);
    });
  }
}
