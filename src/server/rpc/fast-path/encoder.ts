/**
 * Encodes messages to the same bytes as `toBinary` of protobuf-es. `toBinary` allocates and zeroes a new buffer for each
 * message, which costs more than the rest of its work, and this encoder reuses one.
 */
import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { FeatureSet_FieldPresence, isWrapperDesc } from "@bufbuild/protobuf/wkt";

/** Returns the encoded message. */
type Encoder = (message: Message) => Uint8Array<ArrayBuffer>;

type Values = Readonly<Record<string, unknown>>;
/** Writes a field of a message if it is set. Throws if the field cannot be written. */
type WriteField = (writer: BinaryWriter, message: Values) => void;
type WriteValue = (writer: BinaryWriter, value: unknown) => void;

/** A writer whose buffer has grown above this size is not used again. */
const MAX_KEPT_BYTES = 262_144;

/** The writer of all encoders, which no two use at the same time. It keeps its buffer. */
let shared = new BinaryWriter();

/**
 * Returns the encoder of a message type. The encoder calls `toBinary`, which may throw, for messages with unknown fields
 * and for invalid ones. Types with maps, groups, required fields or wrappers (wrappers.proto) get `toBinary` itself.
 */
export function createEncoder(desc: DescMessage, toBinary: Encoder): Encoder {
  if (!isSupported(desc, new Set())) return toBinary;
  const write = writerOf(desc, new Map());
  return (message) => {
    if (message.$unknown !== undefined) return toBinary(message);
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      write(shared, message as unknown as Values);
      bytes = shared.finish();
    } catch {
      shared = new BinaryWriter();
      return toBinary(message);
    }
    if (bytes.length > MAX_KEPT_BYTES) shared = new BinaryWriter();
    return bytes;
  };
}

function isSupported(desc: DescMessage, seen: Set<DescMessage>): boolean {
  if (seen.has(desc)) return true;
  seen.add(desc);
  return desc.fields.every((field) => {
    if (field.fieldKind === "map" || field.presence === FeatureSet_FieldPresence.LEGACY_REQUIRED) return false;
    if (field.message === undefined) return true;
    // In JavaScript, a field of a wrapper type has the wrapped value.
    return !field.delimitedEncoding && !isWrapperDesc(field.message) && isSupported(field.message, seen);
  });
}

/** Returns the function that writes the fields of a message. `known` has those of types that contain themselves. */
function writerOf(desc: DescMessage, known: Map<DescMessage, WriteValue>): WriteValue {
  const earlier = known.get(desc);
  if (earlier !== undefined) return earlier;
  const { typeName } = desc;
  const fields: WriteField[] = [];
  const write: WriteValue = (writer, value) => {
    const message = value as Values;
    if (message.$typeName !== typeName || message.$unknown !== undefined) throw new Error("leave it to toBinary");
    for (const writeField of fields) writeField(writer, message);
  };
  known.set(desc, write);
  for (const field of [...desc.fields].sort((a, b) => a.number - b.number)) fields.push(fieldWriter(field, known));
  return write;
}

function fieldWriter(field: DescField, known: Map<DescMessage, WriteValue>): WriteField {
  if (field.fieldKind === "list") return listWriter(field, known);
  const { localName: name, oneof } = field;
  const write = taggedWriter(field, known);
  if (oneof !== undefined) {
    return (writer, message) => {
      const chosen = message[oneof.localName] as { readonly case: string | undefined; readonly value?: unknown };
      if (chosen.case === name) write(writer, chosen.value);
    };
  }
  if (field.presence !== FeatureSet_FieldPresence.IMPLICIT) {
    return (writer, message) => {
      const value = message[name];
      if (value !== undefined && Object.hasOwn(message, name)) write(writer, value);
    };
  }
  const isZero = zeroCheck(field);
  return (writer, message) => {
    const value = message[name];
    if (!isZero(value)) write(writer, value);
  };
}

function listWriter(field: DescField & { fieldKind: "list" }, known: Map<DescMessage, WriteValue>): WriteField {
  const { localName: name, number, packed } = field;
  if (!packed) {
    const write = taggedWriter(field, known);
    return (writer, message) => {
      for (const item of message[name] as readonly unknown[]) write(writer, item);
    };
  }
  const write = scalarWriter(scalarOf(field));
  return (writer, message) => {
    const items = message[name] as readonly unknown[];
    if (items.length === 0) return;
    writer.tag(number, WireType.LengthDelimited).fork();
    for (const item of items) write(writer, item);
    writer.join();
  };
}

/** Returns the function that writes a value of a field, or of an item of a list, with its tag. */
function taggedWriter(field: DescField, known: Map<DescMessage, WriteValue>): WriteValue {
  const { number } = field;
  if (field.message !== undefined) {
    const write = writerOf(field.message, known);
    return (writer, value) => {
      writer.tag(number, WireType.LengthDelimited).fork();
      write(writer, value);
      writer.join();
    };
  }
  const type = scalarOf(field);
  const tag = ((number << 3) | wireTypeOf(type)) >>> 0;
  const write = scalarWriter(type);
  return (writer, value) => {
    writer.uint32(tag);
    write(writer, value);
  };
}

function scalarOf(field: DescField): ScalarType {
  return field.scalar ?? ScalarType.INT32; // the value of an enum
}

/** Returns the function that writes a value by the method of BinaryWriter for its type. */
function scalarWriter(type: ScalarType): WriteValue {
  const method = ScalarType[type].toLowerCase() as "string"; // each method has the name of its type
  return (writer, value) => writer[method](value as string);
}

function wireTypeOf(type: ScalarType): WireType {
  switch (type) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WireType.LengthDelimited;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return WireType.Bit64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return WireType.Bit32;
    default:
      return WireType.Varint;
  }
}

/** Returns the check for the zero value, which a field with implicit presence omits. */
function zeroCheck(field: DescField): (value: unknown) => boolean {
  if (field.enum !== undefined) {
    const zero = field.enum.values[0]?.number;
    return (value) => value === zero;
  }
  switch (field.scalar) {
    case ScalarType.BOOL:
      return (value) => value === false;
    case ScalarType.STRING:
      return (value) => value === "";
    case ScalarType.BYTES:
      return (value) => value instanceof Uint8Array && value.byteLength === 0;
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return (value) => Object.is(value, 0);
    default:
      return (value) => value === 0 || value === 0n || value === "0";
  }
}
