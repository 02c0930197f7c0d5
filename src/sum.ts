/** GetSum: adds two int32 numbers. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Data, type Sum, SumSchema } from "../gen/service_pb.ts";

const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;

/** Returns the sum of `a` and `b`. Throws `out_of_range` if the sum does not fit into an int32. */
export function getSum({ a, b }: Data): Sum {
  const sum = a + b;
  if (sum < INT32_MIN || sum > INT32_MAX) {
    const message = `add ${a} and ${b}: ${sum} is outside int32, ${INT32_MIN} to ${INT32_MAX}`;
    throw new ConnectError(message, Code.OutOfRange);
  }
  return create(SumSchema, { sum });
}
