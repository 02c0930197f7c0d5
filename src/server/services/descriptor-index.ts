/** An index of descriptors: finds the file that declares a symbol or an extension, and the files that it imports. */
import { type DescExtension, type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

/** Indexes the files that declare the given services, and all files that they import directly or indirectly. */
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

  /** Returns the file with the path `name` from the import root, such as "google/protobuf/any.proto". */
  file(name: string): DescFile | undefined {
    return this.#files.get(name);
  }

  /** Returns the file that declares `name`: the full name of a service, method, message, field, enum or other symbol. */
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
          // The full name of an enum value does not contain the enum's name.
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

/** Returns the file itself, and then each file that it imports directly or indirectly. */
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
