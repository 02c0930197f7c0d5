/** What the page can call: the unary methods of the contract that it was built with. */
import type { DescMethodUnary, DescService } from "@bufbuild/protobuf";
import * as contract from "../../gen/service_pb.ts";

export const methods: readonly DescMethodUnary[] = Object.values<unknown>(contract)
  .filter((value): value is DescService => (value as { kind?: unknown }).kind === "service")
  .flatMap((service) => service.methods)
  .filter((method): method is DescMethodUnary => method.methodKind === "unary");
