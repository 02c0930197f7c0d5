/** What the page can call: the unary methods of the contract that it was built with. */
import type { DescMethodUnary } from "@bufbuild/protobuf";
import { file_service } from "../../gen/service_pb.ts";

/** In the order of the file, whose first the server's lines to paste call too. */
export const methods: readonly DescMethodUnary[] = file_service.services
  .flatMap((service) => service.methods)
  .filter((method): method is DescMethodUnary => method.methodKind === "unary");
