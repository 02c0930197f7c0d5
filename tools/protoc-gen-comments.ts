/**
 * A plugin of buf and protoc: writes the comments of each file with comments to a JSON file, for the page. Reads a
 * CodeGeneratorRequest from stdin, and writes a CodeGeneratorResponse to stdout.
 */
import { readFileSync } from "node:fs";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  CodeGeneratorRequestSchema,
  CodeGeneratorResponseSchema,
  type DescriptorProto,
  Edition,
  type EnumDescriptorProto,
  CodeGeneratorResponse_Feature as Feature,
  type FileDescriptorProto,
  type SourceCodeInfo_Location,
} from "@bufbuild/protobuf/wkt";

/** A declaration: its full name, and its path of field numbers and indexes in FileDescriptorProto (descriptor.proto). */
type Declaration = readonly [name: string, path: readonly number[]];

const { fileToGenerate, protoFile } = fromBinary(CodeGeneratorRequestSchema, readFileSync(0));
const response = create(CodeGeneratorResponseSchema, {
  supportedFeatures: BigInt(Feature.PROTO3_OPTIONAL | Feature.SUPPORTS_EDITIONS),
  minimumEdition: Edition.EDITION_PROTO2,
  maximumEdition: Edition.EDITION_2024,
  file: protoFile
    .filter(({ name }) => fileToGenerate.includes(name))
    .map((file) => ({ name: file.name, comments: readComments(file) }))
    .filter(({ comments }) => Object.keys(comments).length > 0)
    .map(({ name, comments }) => ({
      name: name.replace(/\.proto$/, "_comments.json"),
      content: `${JSON.stringify(comments, undefined, 2)}\n`,
    })),
});
process.stdout.write(toBinary(CodeGeneratorResponseSchema, response));

/** Returns the comments by the full names of the declarations, in the order of the file's descriptor. */
function readComments(file: FileDescriptorProto): Record<string, string> {
  const locations = new Map(file.sourceCodeInfo?.location.map((each) => [each.path.join(), each]));
  return Object.fromEntries(
    declarations(file).flatMap(([name, path]) => {
      const comment = textOf(locations.get(path.join()));
      return comment === "" ? [] : [[name, comment]];
    }),
  );
}

/** Returns the comment before the declaration, or else the comment after it. */
function textOf(location: SourceCodeInfo_Location | undefined): string {
  return withoutDirectives(location?.leadingComments) || withoutDirectives(location?.trailingComments);
}

/** Returns the text without the lines that are directives of buf. */
function withoutDirectives(comment = ""): string {
  return comment
    .split("\n")
    .map((line) => line.replace(/^ /, "").trimEnd())
    .filter((line) => !line.startsWith("buf:lint:"))
    .join("\n")
    .trim();
}

function declarations(file: FileDescriptorProto): Declaration[] {
  const scope = file.package;
  return [
    ...file.service.flatMap(({ name, method }, i): Declaration[] => {
      const service = join(scope, name);
      return [[service, [6, i]], ...membersOf(service, [6, i, 2], method)];
    }),
    ...file.messageType.flatMap((message, i) => ofMessage(scope, message, [4, i])),
    ...file.enumType.flatMap((each, i) => ofEnum(scope, each, [5, i])),
  ];
}

function ofMessage(scope: string, message: DescriptorProto, path: readonly number[]): Declaration[] {
  const name = join(scope, message.name);
  return [
    [name, path],
    ...membersOf(name, [...path, 2], message.field),
    ...membersOf(name, [...path, 8], message.oneofDecl),
    ...message.nestedType.flatMap((nested, i) => ofMessage(name, nested, [...path, 3, i])),
    ...message.enumType.flatMap((nested, i) => ofEnum(name, nested, [...path, 4, i])),
  ];
}

/** Returns the enum and its values. The full name of a value does not contain the enum's name. */
function ofEnum(scope: string, { name, value }: EnumDescriptorProto, path: readonly number[]): Declaration[] {
  return [[join(scope, name), path], ...membersOf(scope, [...path, 2], value)];
}

function membersOf(scope: string, path: readonly number[], members: readonly { readonly name: string }[]) {
  return members.map(({ name }, i): Declaration => [join(scope, name), [...path, i]]);
}

function join(scope: string, name: string): string {
  return scope === "" ? name : `${scope}.${name}`;
}
