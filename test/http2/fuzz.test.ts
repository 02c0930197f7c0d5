/** A short run of the fuzzer; fuzz.ts runs as long as it is told to. */
import { test } from "node:test";
import { fuzz } from "./fuzz.ts";

test("random splits give the same output, and mutated and random frames no error of the server's own", () => {
  fuzz(1, (count) => count === 500);
});
