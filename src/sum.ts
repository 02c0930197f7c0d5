/** GetSum: the arithmetic, its range and its error. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Data, type Sum, SumSchema } from "../gen/service_pb.ts";

const MIN = -(2 ** 31);
const MAX = 2 ** 31 - 1;

/** Adds a and b. Throws `out_of_range` when the sum is no int32. */
export function getSum({ a, b }: Data): Sum {
  const sum = a + b;
  if (sum < MIN || sum > MAX) {
    throw new ConnectError(`add ${a} and ${b}: ${sum} is outside int32, ${MIN} to ${MAX}`, Code.OutOfRange);
  }
  return create(SumSchema, { sum });
}
