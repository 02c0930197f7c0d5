/** The routes of the service that the tests of the server call. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { AddResponseSchema, CallService, RecordResponseSchema } from "../gen/calls/v1/calls_pb.ts";

const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;

/** Registers the service on a router of any Connect server. */
export function callRoutes(router: ConnectRouter): void {
  router.service(CallService, {
    add(request, context) {
      // The sum of two numbers never changes, so any cache may store the response to a GET.
      if (context.requestMethod === "GET") context.responseHeader.set("Cache-Control", "public, max-age=3600");
      return create(AddResponseSchema, { sum: addInt32(request) });
    },
    record: (request) => create(RecordResponseSchema, { sum: addInt32(request) }),
  });
}

/** Returns the sum of `a` and `b`. Throws `out_of_range` if the sum does not fit into an int32. */
export function addInt32({ a, b }: { readonly a: number; readonly b: number }): number {
  const sum = a + b;
  if (sum < INT32_MIN || sum > INT32_MAX) {
    const message = `add ${a} and ${b}: ${sum} is outside int32, ${INT32_MIN} to ${INT32_MAX}`;
    throw new ConnectError(message, Code.OutOfRange);
  }
  return sum;
}
