/** The timeouts of gRPC and Connect, compared with those that Connect parses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTimeout as parseConnect } from "@connectrpc/connect/protocol-connect";
import { parseTimeout as parseGrpc } from "@connectrpc/connect/protocol-grpc";
import { connectTimeoutMs, grpcTimeoutMs } from "../../src/server/rpc/timeout.ts";
import { Random } from "../support/random.ts";

const EDGES = [
  ["", "0", "1", "00000001", "99999999", "123456789", "000000000", "9999999999", "09999999999", "99999999999"],
  [" 1", "1 ", "1\n", "\n1", "+1", "-1", "1.5", "1e3", "0x1", "1_0", "\u0661", "\uff11", "1\0", "Infinity", "NaN"],
  ["x", "S", "SS", "1SS", "S1", "\u212a", "1\u212a", "1\u017f", "__proto__", "constructor"],
].flat();
const UNITS = ["", "H", "M", "S", "m", "u", "n", "h", "s", "N", " ", "\n", "é", "0"];

/** Asserts that `parse` returns what Connect's function returns: the same milliseconds, or NaN for an error. */
function assertSame(value: string, parse: typeof grpcTimeoutMs, parseByConnect: typeof parseGrpc): void {
  const { timeoutMs, error } = parseByConnect(value, Number.POSITIVE_INFINITY);
  assert.equal(parse(value), error === undefined ? timeoutMs : Number.NaN, JSON.stringify(value));
}

for (const [name, parse, parseByConnect] of [
  ["grpc-timeout", grpcTimeoutMs, parseGrpc],
  ["connect-timeout-ms", connectTimeoutMs, parseConnect],
] as const) {
  test(`the edge cases of ${name} have the milliseconds or the error of Connect`, () => {
    for (const edge of EDGES) for (const unit of UNITS) assertSame(edge + unit, parse, parseByConnect);
  });

  test(`random values of ${name} have the milliseconds or the error of Connect`, () => {
    const random = new Random(18);
    const characters = `0123456789${UNITS.join("")}+-. `;
    for (let i = 0; i < 20_000; i++) {
      const digits = Array.from({ length: random.below(12) }, () => random.below(10)).join("");
      const noise = Array.from({ length: random.below(2) }, () => characters[random.below(characters.length)]).join("");
      assertSame(`${digits}${noise}${UNITS[random.below(UNITS.length)]}`, parse, parseByConnect);
    }
  });
}
