/** The contract that the page was built with: its unary methods and its types. */
import { createRegistry, type DescMethodUnary } from "@bufbuild/protobuf";
import { file_service } from "../../gen/service_pb.ts";

/** The unary methods, in the order of the file. `GET /` without the page prints commands that call the first one. */
export const methods: readonly DescMethodUnary[] = file_service.services
  .flatMap((service) => service.methods)
  .filter((method): method is DescMethodUnary => method.methodKind === "unary");

/** The types that a google.protobuf.Any can hold in JSON. */
export const registry = createRegistry(file_service);
