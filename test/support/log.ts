/** Checks each record that a server of a test logs, so that the log of the whole suite is checked. */
import assert from "node:assert/strict";
import { type LogRecord, recordText } from "../../src/server/log/record.ts";

/** All control characters, line ends and characters that change the direction of text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be in the log
export const UNSAFE = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

/**
 * Fails unless the record has a level, an event and a message in one line, and is the same as a line of JSON. No text may have
 * a character that could forge a line.
 */
export function checkRecord(record: LogRecord): void {
  const { level, event, stack, ...fields } = record;
  assert.match(level, /^(info|warn|error)$/);
  assert.match(event, /^[a-z0-9]+(_[a-z0-9]+)*$/);
  assert.deepEqual(JSON.parse(JSON.stringify(record)), record, "the record is not the same in JSON");
  for (const [name, value] of Object.entries(fields)) {
    assert.match(typeof value, /^(string|number|boolean)$/, `${name} of ${event} is a ${typeof value}`);
    assert.doesNotMatch(String(value).replaceAll("\t", " "), UNSAFE, `${name} of ${event} has an unsafe character`);
  }
  for (const line of stack?.split("\n") ?? []) {
    assert.match(line, /^ {4}/);
    assert.doesNotMatch(line.replaceAll("\t", " "), UNSAFE, `the stack of ${event} has an unsafe character`);
  }
}

/** Returns the text of a record. Ends the test with an uncaught exception if `checkRecord` fails, since servers catch errors. */
export function checkedText(record: LogRecord): string {
  try {
    checkRecord(record);
  } catch (error) {
    setImmediate(() => {
      throw error;
    });
  }
  return recordText(record);
}

/** Returns the record in a line of JSON that a process has written. Fails unless it is a record with a time and a process id. */
export function recordOf(line: string): LogRecord {
  const { time, pid, ...record } = JSON.parse(line) as LogRecord & { readonly time: string; readonly pid: number };
  assert.equal(new Date(time).toISOString(), time);
  assert.ok(Number.isInteger(pid) && pid > 0, line);
  checkRecord(record);
  return record;
}

/** The output of a process, complete lines only. */
export interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

/** Returns the text that the same process would write with `--log-format text`, except for the commands to paste. */
export function asText(output: Output): Output {
  let { stdout } = output;
  let stderr = "";
  for (const line of output.stderr.split("\n").slice(0, -1)) {
    const record = recordOf(line);
    if (record.level === "info" && record.event !== "call") stdout += `${recordText(record)}\n`;
    else stderr += `${recordText(record)}\n`;
  }
  return { stdout, stderr };
}
