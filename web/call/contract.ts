/** What the page can call: the unary methods of the contract that it was built with. */
import { createRegistry, type DescMethodUnary } from "@bufbuild/protobuf";
import { file_service } from "../../gen/service_pb.ts";

/** In the order of the file, whose first the server's lines to paste call too. */
export const methods: readonly DescMethodUnary[] = file_service.services
  .flatMap((service) => service.methods)
  .filter((method): method is DescMethodUnary => method.methodKind === "unary");

/** What a google.protobuf.Any can hold as JSON: the contract's own types. */
export const registry = createRegistry(file_service);
