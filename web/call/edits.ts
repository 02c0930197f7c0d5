/** Edits of a message in JSON. Each returns a new value, and changes nothing else. */
import { type DescExtension, type DescField, type DescMessage, type DescOneof, ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { isList, type Json, JsonNumber, JsonObject, type Member, type Path } from "./json.ts";
import { isNumeric, numberOfText } from "./scalars.ts";

/** A member of an object, and its index. */
export interface FoundMember extends Member {
  readonly index: number;
}

/** Returns the JSON with the value at `path` changed. Returns it as it is if the path does not exist. */
export function editAt(json: Json, path: Path, change: (value: Json) => Json): Json {
  const [index, ...rest] = path;
  if (index === undefined) return change(json);
  if (isList(json)) return json.map((item, i) => (i === index ? editAt(item, rest, change) : item));
  if (!(json instanceof JsonObject)) return json;
  return new JsonObject(
    json.members.map(({ key, value }, i) => ({ key, value: i === index ? editAt(value, rest, change) : value })),
  );
}

/** Returns the members of an object. Other values do not have members. */
export function membersOf(json: Json | undefined): readonly Member[] {
  return json instanceof JsonObject ? json.members : [];
}

/** Returns the first member that sets the field, by its name in JSON or in the contract. A null does not set a field. */
export function findMember(json: Json | undefined, field: DescField): FoundMember | undefined {
  for (const [index, { key, value }] of membersOf(json).entries()) {
    if (isKeyOf(key, field) && (value !== null || takesNull(field))) return { index, key, value };
  }
  return undefined;
}

/** True if the key is a name of the field. */
export function isKeyOf(key: string, field: DescField): boolean {
  return key === field.jsonName || key === field.name;
}

/** True if null is a value of the field's type, and not the sign of a field that is not set. */
export function takesNull({ fieldKind, message, enum: ofEnum }: DescField | DescExtension): boolean {
  if (fieldKind === "message") return message.typeName === "google.protobuf.Value";
  return fieldKind === "enum" && ofEnum.typeName === "google.protobuf.NullValue";
}

/** Sets a field of the message, or unsets it if `value` is undefined. A new member gets the place of its field. */
export function setField(json: Json, { fields }: DescMessage, field: DescField, value: Json | undefined): JsonObject {
  const members = [...membersOf(json)];
  if (value === undefined) return new JsonObject(members.filter(({ key }) => !isKeyOf(key, field)));
  const index = members.findIndex(({ key }) => isKeyOf(key, field));
  if (index !== -1) return new JsonObject(members.with(index, { key: (members[index] as Member).key, value }));
  const later = fields.slice(fields.indexOf(field) + 1);
  const next = members.findIndex(({ key }) => later.some((other) => isKeyOf(key, other)));
  return new JsonObject(members.toSpliced(next === -1 ? members.length : next, 0, { key: field.jsonName, value }));
}

/** Sets one member of the oneof to its initial value, and unsets the others. Unsets all if `chosen` is undefined. */
export function chooseMember(json: Json, desc: DescMessage, oneof: DescOneof, chosen: DescField | undefined): Json {
  let changed = json;
  for (const field of oneof.fields) {
    if (field !== chosen) changed = setField(changed, desc, field, undefined);
  }
  if (chosen === undefined || findMember(changed, chosen) !== undefined) return changed;
  return setField(changed, desc, chosen, initialValue(chosen));
}

export function addItem(json: Json, field: DescField): Json {
  return [...(isList(json) ? json : []), initialElement(field)];
}

export function setItem(json: Json, index: number, value: Json): Json {
  return isList(json) ? json.with(index, value) : json;
}

export function removeItem(json: Json, index: number): Json {
  return isList(json) ? json.toSpliced(index, 1) : json;
}

/** Adds an entry, with a key that the map does not have if there is one. A text as key is empty: the user types it. */
export function addEntry(json: Json, field: DescField & { fieldKind: "map" }): JsonObject {
  const members = membersOf(json);
  const has = (key: string) => members.some((member) => member.key === key);
  let key = "";
  if (field.mapKey === ScalarType.BOOL) key = has("false") ? "true" : "false";
  else if (field.mapKey !== ScalarType.STRING) {
    let number = 0;
    while (has(String(number))) number++;
    key = String(number);
  }
  return new JsonObject([...members, { key, value: initialElement(field) }]);
}

export function renameEntry(json: Json, index: number, key: string): JsonObject {
  return new JsonObject(membersOf(json).map((member, i) => (i === index ? { key, value: member.value } : member)));
}

export function setEntry(json: Json, index: number, value: Json): JsonObject {
  return new JsonObject(membersOf(json).map((member, i) => (i === index ? { key: member.key, value } : member)));
}

export function removeEntry(json: Json, index: number): JsonObject {
  return new JsonObject(membersOf(json).toSpliced(index, 1));
}

/** Returns the value of a field that is set for the first time. */
export function initialValue(field: DescField): Json {
  if (field.fieldKind === "list") return [];
  if (field.fieldKind === "map") return new JsonObject();
  return initialElement(field);
}

/** Returns the first value of a field, of an item of its list, or of an entry of its map. */
function initialElement({ scalar, enum: ofEnum, message }: DescField): Json {
  if (scalar !== undefined) return initialScalar(scalar);
  if (ofEnum !== undefined) return ofEnum.values[0]?.name ?? new JsonNumber("0");
  return initialMessage(message as DescMessage);
}

/** Returns a message without fields. Protobuf's own types have special forms (protobuf.dev, "ProtoJSON Format"). */
export function initialMessage(desc: DescMessage): Json {
  const [value] = desc.fields;
  switch (desc.typeName) {
    case "google.protobuf.Timestamp":
      return "1970-01-01T00:00:00Z";
    case "google.protobuf.Duration":
      return "0s";
    case "google.protobuf.FieldMask":
      return "";
    case "google.protobuf.Value":
      return null;
    case "google.protobuf.ListValue":
      return [];
    default:
      return isWrapperDesc(desc) && value?.scalar !== undefined ? initialScalar(value.scalar) : new JsonObject();
  }
}

function initialScalar(scalar: ScalarType): Json {
  if (scalar === ScalarType.BOOL) return false;
  return isNumeric(scalar) ? numberOfText(scalar, "0") : "";
}
