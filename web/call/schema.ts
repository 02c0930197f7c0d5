/** The schema of the services that the page can call. */
import { createFileRegistry, type DescService, fromBinary, type Registry } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

export interface Schema {
  /** The services that the server's routes register, in their order. */
  readonly services: readonly DescService[];
  /** All types that these services need, for google.protobuf.Any in JSON. */
  readonly registry: Registry;
  /**
   * The comments of services, methods, messages, fields, oneofs, enums and their values, by their full names. The full
   * name of an enum value does not contain the enum's name.
   */
  readonly comments: ReadonlyMap<string, string>;
}

/** The comments of the contracts that `buf generate` knows. web/build.ts defines COMMENTS when it bundles the page. */
declare const COMMENTS: Readonly<Record<string, string>>;

/** The path of the schema: a google.protobuf.FileDescriptorSet in protobuf's binary format. */
const PATH = "/-/schema";

/** Loads the schema from the server of the page. Rejects with Error if the server does not respond with a schema. */
export async function loadSchema(): Promise<Schema> {
  const response = await fetch(PATH);
  if (!response.ok) throw new Error(`load the schema: the server responded with status ${response.status}`);
  const registry = createFileRegistry(
    fromBinary(FileDescriptorSetSchema, new Uint8Array(await response.arrayBuffer())),
  );
  const services = [...registry.files].flatMap((file) => file.services);
  return { services, registry, comments: new Map(Object.entries(COMMENTS)) };
}
