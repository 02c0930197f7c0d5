/** The schema of the services that the routes register, from which the page makes its forms and calls. */
import { create, type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { type Handler, pathWithoutQuery } from "../http/exchange.ts";
import { type Coding, type FileHeads, POLICY, prepareCoding, respondFile } from "./file.ts";
import { PAGE_FILES } from "./page.ts";

/** The path of the schema: a google.protobuf.FileDescriptorSet in protobuf's binary format. */
const SCHEMA_PATH = `${PAGE_FILES}schema`;

const HEADS: FileHeads = {
  type: "application/x-protobuf",
  cacheControl: "no-cache",
  vary: "Accept-Encoding",
  policy: POLICY,
};

/** Returns a handler that responds to the path of the schema, and passes other requests to `files`. */
export function withSchema(files: Handler, services: readonly DescService[]): Handler {
  let codings: readonly Coding[] | undefined;
  return (exchange) => {
    if (pathWithoutQuery(exchange.request.path) !== SCHEMA_PATH) return files(exchange);
    codings ??= prepareSchema(services);
    respondFile(exchange, codings);
  };
}

function prepareSchema(services: readonly DescService[]): readonly Coding[] {
  const { gzipSync } = process.getBuiltinModule("node:zlib");
  const bytes = Buffer.from(describe(services));
  return [prepareCoding("gzip", gzipSync(bytes), HEADS), prepareCoding("identity", bytes, HEADS)];
}

/**
 * Returns a FileDescriptorSet of the files that the services need. Each file follows the files that it imports. Leaves
 * out other services of these files. The services of a file are in the order of `services`.
 */
function describe(services: readonly DescService[]): Uint8Array {
  const files = new Map<string, DescFile>();
  for (const { file } of services) addFile(file, files);
  return toBinary(
    FileDescriptorSetSchema,
    create(FileDescriptorSetSchema, { file: [...files.values()].map((file) => withServices(file, services)) }),
  );
}

/** Adds the files that `file` imports directly or indirectly, and then the file itself. */
function addFile(file: DescFile, files: Map<string, DescFile>): void {
  const { name } = file.proto;
  if (files.has(name)) return;
  for (const dependency of file.dependencies) addFile(dependency, files);
  files.set(name, file);
}

/** Returns the file with only the given services. Source info would name services by their old positions. */
function withServices(file: DescFile, services: readonly DescService[]): FileDescriptorProto {
  const service = services.filter((each) => each.file === file).map(({ proto }) => proto);
  const { sourceCodeInfo: _, ...rest } = file.proto;
  return create(FileDescriptorProtoSchema, { ...rest, service });
}
