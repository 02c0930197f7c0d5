/** Tests which values of `traceparent` are parsed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTraceParent } from "../../src/telemetry/trace-context.ts";

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN_ID = "00f067aa0ba902b7";
const VALID = `00-${TRACE_ID}-${SPAN_ID}-01`;

for (const [name, value, traceFlags] of [
  ["a sampled trace", VALID, 1],
  ["a trace that is not sampled", `00-${TRACE_ID}-${SPAN_ID}-00`, 0],
  ["flags that are unknown", `00-${TRACE_ID}-${SPAN_ID}-ff`, 255],
  ["a later version", `01-${TRACE_ID}-${SPAN_ID}-03`, 3],
  ["a later version with more fields", `cc-${TRACE_ID}-${SPAN_ID}-01-what the future will be like`, 1],
] as const) {
  test(`${name} is parsed`, () => {
    assert.deepEqual(parseTraceParent(value), { traceId: TRACE_ID, spanId: SPAN_ID, traceFlags });
  });
}

for (const [name, value] of [
  ["no value", undefined],
  ["an empty value", ""],
  ["an invalid version", `ff-${TRACE_ID}-${SPAN_ID}-01`],
  ["a trace id of zeros", `00-${"0".repeat(32)}-${SPAN_ID}-01`],
  ["a span id of zeros", `00-${TRACE_ID}-${"0".repeat(16)}-01`],
  ["upper case", VALID.toUpperCase()],
  ["version 00 with more fields", `${VALID}-01`],
  ["version 00 with more characters", `${VALID}0`],
  ["a later version with more characters", `01${VALID.slice(2)}0`],
  ["a missing field", `00-${TRACE_ID}-${SPAN_ID}`],
  ["a character that is not hexadecimal", VALID.replace("4b", "4g")],
  ["space around it", ` ${VALID}`],
  ["a line feed after it", `${VALID}\n`],
  ["two values", `${VALID}, ${VALID}`],
  ["more than 512 characters", `01${VALID.slice(2)}-${"a".repeat(512)}`],
] as const) {
  test(`${name} is invalid`, () => {
    assert.equal(parseTraceParent(value), undefined);
  });
}
