/** Runs the table of cases in one cell against a server, and checks each response and its HTTP status. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import { codeFromString, codeToHttpStatus } from "@connectrpc/connect/protocol-connect";
import { AddResponseSchema } from "../gen/calls/v1/calls_pb.ts";
import { CASES, type Case, type Expected } from "./cases.ts";
import { type Cell, callIn, isGrpc, type Outcome } from "./cells.ts";

/** Runs the cases. `expectedOf` may return another expectation than that of the case, or null to leave the case out. */
export async function runCases(
  t: TestContext,
  cell: Cell,
  to: string,
  expectedOf: (each: Case, cell: Cell) => Expected | null = (each) => each.expect(cell),
): Promise<void> {
  for (const each of CASES) {
    const call = each.call(cell);
    if (call === undefined) continue;
    const expected = expectedOf(each, cell);
    if (expected === null) continue;
    await t.test(`${each.name}: ${describe(expected)}`, async () => {
      const change: Case["change"] = each.change ?? ((request) => request);
      const outcome = await callIn(cell, to, { path: "/calls.v1.CallService/Add", ...call }, (request) =>
        change(request, cell),
      );
      check(cell, outcome, expected);
    });
  }
}

function check(cell: Cell, { status, code, message, body }: Outcome, expected: Expected): void {
  if ("status" in expected) {
    assert.deepEqual({ status, code }, { status: expected.status, code: undefined });
    return;
  }
  const wanted = "sum" in expected ? "ok" : expected.code;
  assert.equal(code, wanted, message);
  assert.equal(status, isGrpc(cell) || wanted === "ok" ? 200 : codeToHttpStatus(codeFromString(wanted) as number));
  if ("sum" in expected) {
    const { sum } =
      cell.codec === "proto" ? fromBinary(AddResponseSchema, body) : fromJsonString(AddResponseSchema, body.toString());
    assert.equal(sum, expected.sum);
  } else {
    assert.match(message, expected.message ?? /./);
    assert.doesNotMatch(message, /\n|\.[jt]s:/, "a stack trace");
  }
}

function describe(expected: Expected): string {
  if ("sum" in expected) return String(expected.sum);
  return "code" in expected ? expected.code : String(expected.status);
}
