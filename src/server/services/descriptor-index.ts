/** Descriptors by name: which file declares a symbol or an extension, and the files that a file needs. */
import { type DescExtension, type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

/** The files that declare the given services, all that they import, and every name in them. */
export class DescriptorIndex {
  /** The full names of the services. */
  readonly services: readonly string[];
  readonly #files = new Map<string, DescFile>();
  readonly #bytes = new Map<DescFile, Uint8Array>();
  readonly #symbols = new Map<string, DescFile>();
  readonly #extensions = new Map<string, Map<number, DescExtension>>();

  constructor(services: readonly DescService[]) {
    this.services = services.map(({ typeName }) => typeName);
    for (const { file } of services) {
      for (const needed of closure(file)) this.#add(needed);
    }
  }

  /** The file of that name, as the compiler knows it: with its path from the import root and its ".proto". */
  file(name: string): DescFile | undefined {
    return this.#files.get(name);
  }

  /** The file that declares the service, method, message, field, oneof, enum, enum value or extension of that full name. */
  fileOfSymbol(name: string): DescFile | undefined {
    return this.#symbols.get(name);
  }

  /** Returns the file that declares extension `number` of the message with the full name `message`. */
  fileOfExtension(message: string, number: number): DescFile | undefined {
    return this.#extensions.get(message)?.get(number)?.file;
  }

  /** Returns the numbers of all extensions of the message, or undefined if the message is unknown. */
  extensionNumbers(message: string): number[] | undefined {
    return this.#extensions.get(message)?.keys().toArray();
  }

  /** Returns the file as the compiler describes it: a serialized google.protobuf.FileDescriptorProto. */
  bytes(file: DescFile): Uint8Array {
    const bytes = this.#bytes.get(file) ?? toBinary(FileDescriptorProtoSchema, file.proto);
    this.#bytes.set(file, bytes);
    return bytes;
  }

  #add(file: DescFile): void {
    const { name, package: scope } = file.proto;
    if (this.#files.has(name)) return;
    this.#files.set(name, file);
    for (const desc of nestedTypes(file)) {
      this.#symbols.set(desc.typeName, file);
      switch (desc.kind) {
        case "message":
          for (const { name } of [...desc.fields, ...desc.oneofs]) this.#symbols.set(`${desc.typeName}.${name}`, file);
          this.#extensionsTo(desc.typeName);
          break;
        case "enum":
          // An enum's values are its siblings in the scope that it stands in.
          for (const value of desc.values) this.#symbols.set(join(desc.parent?.typeName ?? scope, value.name), file);
          break;
        case "service":
          for (const method of desc.methods) this.#symbols.set(`${desc.typeName}.${method.name}`, file);
          break;
        case "extension":
          this.#extensionsTo(desc.extendee.typeName).set(desc.number, desc);
      }
    }
  }

  #extensionsTo(message: string): Map<number, DescExtension> {
    const extensions = this.#extensions.get(message) ?? new Map();
    this.#extensions.set(message, extensions);
    return extensions;
  }
}

/** The file and all that it imports, each once, itself first. */
export function closure(file: DescFile): Set<DescFile> {
  const files = new Set([file]);
  for (const each of files) {
    for (const dependency of each.dependencies) files.add(dependency);
  }
  return files;
}

function join(scope: string, name: string): string {
  return scope === "" ? name : `${scope}.${name}`;
}
