/** Annotates a message in protobuf's binary format (protobuf.dev, "Encoding"). */
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import type { Annotation, Expected, Part, Value } from "./part.ts";

/** Maximum depth of nested messages. A deeper one is a single opaque part. */
const MAX_DEPTH = 100;

/**
 * The bytes that are being read: the outermost message, or a length-delimited value inside it. `offset` is their offset
 * in the outermost message.
 */
interface Scope {
  /** Receives the parts. */
  readonly out: Part[];
  readonly reader: BinaryReader;
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly depth: number;
}

/** The type of a field's value. For a list or a map, the type of one element. */
interface Content {
  readonly type: ScalarType | "enum" | "message" | "group";
  readonly message?: DescMessage | undefined;
  readonly wireType: WireType;
}

/**
 * Returns the parts of the message. Bytes that cannot be read become a malformed part, which reaches to the end of the
 * value or message around them. Fields that do not match the descriptor are read by their wire type. Throws nothing.
 */
export function messageParts(bytes: Uint8Array, message: DescMessage): Part[] {
  const out: Part[] = [];
  readFields({ out, reader: new BinaryReader(bytes), bytes, offset: 0, depth: 0 }, message, "");
  return out;
}

function readFields(scope: Scope, message: DescMessage | undefined, path: string, group?: number): void {
  const { reader } = scope;
  const counts = new Map<number, number>();
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = attempt(scope, () => reader.tag());
    if (tag === undefined || (tag[1] === WireType.EndGroup && tag[0] !== group)) {
      reader.pos = reader.len;
      push(scope, start, { kind: "malformed", expected: "tag" }, path);
      return;
    }
    const [number, wireType] = tag;
    if (wireType === WireType.EndGroup) {
      push(scope, start, { kind: "group-end", number }, path);
      return;
    }
    const field = message?.fields.find((each) => each.number === number);
    const content = field && contentOf(field, wireType);
    const known = field !== undefined && content !== undefined;
    const name = known ? join(path, field.jsonName) : join(path, `#${number}`);
    push(
      scope,
      start,
      { kind: "tag", number, wireType, ...(known ? { field: field.jsonName } : {}) },
      known && isMany(field) ? `${name}[${counts.get(number) ?? 0}]` : name,
    );
    const next = (): string => {
      const index = counts.get(number) ?? 0;
      counts.set(number, index + 1);
      return known && isMany(field) ? `${name}[${index}]` : name;
    };
    if (!known) readUnknown(scope, number, wireType, name);
    else if (wireType === content.wireType) readContent(scope, content, number, next());
    else readPacked(scope, content, name, next);
  }
}

/** Returns the type of the field's value; undefined if the field cannot have this wire type. */
function contentOf(field: DescField, wireType: WireType): Content | undefined {
  const content = elementOf(field);
  if (content.wireType === wireType) return content;
  const isPackable = field.fieldKind === "list" && content.wireType !== WireType.LengthDelimited && !content.message;
  return isPackable && wireType === WireType.LengthDelimited ? content : undefined;
}

function elementOf(field: DescField): Content {
  if (field.fieldKind === "map")
    return { type: "message", message: mapEntry(field), wireType: WireType.LengthDelimited };
  if (field.scalar !== undefined) return { type: field.scalar, wireType: wireTypeOf(field.scalar) };
  if (field.enum !== undefined) return { type: "enum", wireType: WireType.Varint };
  return field.delimitedEncoding
    ? { type: "group", message: field.message, wireType: WireType.StartGroup }
    : { type: "message", message: field.message, wireType: WireType.LengthDelimited };
}

/** Returns a descriptor of a map's entries, which are messages (protobuf.dev, "Encoding", Maps). */
function mapEntry(field: DescField & { fieldKind: "map" }): DescMessage {
  const key = { number: 1, jsonName: "key", fieldKind: "scalar", scalar: field.mapKey };
  const { scalar, message } = field;
  const value = { number: 2, jsonName: "value", fieldKind: field.mapKind, scalar, message, enum: field.enum };
  return { fields: [key, value] } as unknown as DescMessage;
}

function readContent(scope: Scope, content: Content, number: number, path: string): void {
  const { type, message } = content;
  if (type === "group") readGroup(scope, message, number, path);
  else if (type === "message") readNested(scope, path, (inner) => readFields(inner, message, path));
  else if (type === ScalarType.STRING || type === ScalarType.BYTES) readBytes(scope, type, path);
  else readNumber(scope, type, path);
}

function readNumber(scope: Scope, type: ScalarType | "enum", path: string): void {
  const { reader } = scope;
  const name = type === "enum" ? "enum" : nameOf(type);
  const method = (type === "enum" ? "int32" : name) as "int32";
  read(scope, path, "value", () => ({ kind: "value", type: name, value: reader[method]() }));
}

function readBytes(scope: Scope, type: ScalarType.STRING | ScalarType.BYTES, path: string): void {
  readNested(scope, path, (inner) => {
    const { reader, bytes } = inner;
    const decode = (): Value =>
      type === ScalarType.STRING ? new TextDecoder("utf-8", { fatal: true }).decode(bytes) : bytes;
    read(inner, path, "value", () => {
      reader.pos = reader.len;
      return { kind: "value", type: nameOf(type), value: decode() };
    });
  });
}

function readPacked(scope: Scope, content: Content, path: string, next: () => string): void {
  readNested(scope, path, (inner) => {
    while (inner.reader.pos < inner.reader.len) readContent(inner, content, 0, next());
  });
}

function readGroup(scope: Scope, message: DescMessage | undefined, number: number, path: string): void {
  if (scope.depth < MAX_DEPTH) readFields({ ...scope, depth: scope.depth + 1 }, message, path, number);
  else pushRest(scope, { kind: "opaque" }, path);
}

function readUnknown(scope: Scope, number: number, wireType: WireType, path: string): void {
  if (wireType === WireType.StartGroup) readGroup(scope, undefined, number, path);
  else if (wireType === WireType.LengthDelimited) readBytes(scope, ScalarType.BYTES, path);
  else readNumber(scope, UNKNOWN[wireType] ?? ScalarType.UINT64, path);
}

const UNKNOWN: Partial<Record<WireType, ScalarType>> = {
  [WireType.Bit32]: ScalarType.FIXED32,
  [WireType.Bit64]: ScalarType.FIXED64,
};

/**
 * Reads a length, and calls `readInner` with a scope of that many bytes. Adds a malformed part if there are fewer
 * bytes, and an opaque part if the depth exceeds `MAX_DEPTH`.
 */
function readNested(scope: Scope, path: string, readInner: (inner: Scope) => void): void {
  const { out, reader, bytes, offset, depth } = scope;
  let length = 0;
  const isRead = read(scope, path, "length", () => {
    length = reader.uint32();
    return { kind: "length", bytes: length };
  });
  if (!isRead) return;
  const start = reader.pos;
  if (length > reader.len - start) {
    pushRest(scope, { kind: "malformed", expected: "value" }, path);
    return;
  }
  reader.pos += length;
  const inner = bytes.subarray(start, reader.pos);
  const next = { out, reader: new BinaryReader(inner), bytes: inner, offset: offset + start, depth: depth + 1 };
  if (depth < MAX_DEPTH) readInner(next);
  else pushRest(next, { kind: "opaque" }, path);
}

/** Reads one part. Returns false if it is malformed; the rest of the scope is then one malformed part. */
function read(scope: Scope, path: string, expected: Expected, readAnnotation: () => Annotation): boolean {
  const start = scope.reader.pos;
  const annotation = attempt(scope, readAnnotation);
  push(scope, start, annotation ?? { kind: "malformed", expected }, path);
  return annotation !== undefined;
}

/**
 * Calls `readIt` and returns its result. If `readIt` throws or reads past the end of the scope, moves the reader to
 * that end and returns undefined.
 */
function attempt<T>({ reader }: Scope, readIt: () => T): T | undefined {
  try {
    const result = readIt();
    if (reader.pos <= reader.len) return result;
  } catch {
    // malformed: the caller adds a part that says so
  }
  reader.pos = reader.len;
  return undefined;
}

function pushRest(scope: Scope, annotation: Annotation, path: string): void {
  const start = scope.reader.pos;
  scope.reader.pos = scope.reader.len;
  push(scope, start, annotation, path);
}

function push({ out, reader, offset }: Scope, start: number, annotation: Annotation, path: string): void {
  out.push({ start: offset + start, end: offset + reader.pos, annotation, path });
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function isMany({ fieldKind }: DescField): boolean {
  return fieldKind === "list" || fieldKind === "map";
}

function nameOf(type: ScalarType): string {
  return (ScalarType[type] as string).toLowerCase();
}

function wireTypeOf(type: ScalarType): WireType {
  switch (type) {
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return WireType.Bit64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return WireType.Bit32;
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WireType.LengthDelimited;
    default:
      return WireType.Varint;
  }
}
