/** Converts a draft to a message by the rules of ProtoJSON, and finds its problems. */
import {
  type DescExtension,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue,
  type Message,
  type Registry,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { hasCustomJsonRepresentation, isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { type Draft, isRequired } from "./draft.ts";
import { isKeyOf, takesNull } from "./edits.ts";
import { isList, type Json, JsonNumber, JsonObject, type Path } from "./json.ts";
import { checkTime, readEnum, readKey, readScalar, shown } from "./scalars.ts";

export interface Problem {
  /** A sentence of this page or of the client, in English. */
  readonly message: string;
  /** The position of the value, or of the message that lacks a field. */
  readonly path: Path;
}

/** The problems by the names of their values, like `address.street`, `tags[1]`, `counts["x"]`, or "" for the whole. */
export type Problems = ReadonlyMap<string, Problem>;

/** A message that every protocol can send, or the problems. */
export type InputResult = { readonly message: Message } | { readonly problems: Problems };

/** Reads the draft. Throws nothing. The registry has the types of google.protobuf.Any, and extensions. */
export function readDraft(desc: DescMessage, draft: Draft, registry: Registry): InputResult {
  if (draft.error !== undefined) return { problems: wholeProblem(`invalid JSON: ${draft.error.message}`) };
  const reader = new Reader(registry);
  try {
    const json = reader.message(desc, draft.json, { name: "", path: [] });
    if (reader.problems.size > 0) return { problems: reader.problems };
    const message = fromJson(desc, json, { registry });
    toJson(desc, message, { registry });
    toBinary(desc, message);
    return { message };
  } catch (error) {
    return { problems: wholeProblem((error as Error).message) };
  }
}

function wholeProblem(message: string): Problems {
  return new Map([["", { message, path: [] }]]);
}

/** The names of parts of a value, as in the keys of Problems. */
export const nameOf = {
  field: (of: string, key: string) => (of === "" ? key : `${of}.${key}`),
  item: (of: string, index: number) => `${of}[${index}]`,
  entry: (of: string, key: string) => `${of}[${JSON.stringify(key)}]`,
};

interface Place {
  readonly name: string;
  readonly path: Path;
}

type Field = DescField | DescExtension;

/** Copies JSON for `fromJson`, with all digits of each number. The copy has a meaning only without problems. */
class Reader {
  readonly problems = new Map<string, Problem>();
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  message(desc: DescMessage, json: Json, place: Place): JsonValue {
    if (isWrapperDesc(desc)) return this.#read(place, () => readScalar(desc.fields[0].scalar, json));
    if (desc.typeName === "google.protobuf.Any") return this.#any(json, place);
    if (hasCustomJsonRepresentation(desc)) {
      const plain = this.#plain(json, place);
      return this.#read(place, () => {
        checkTime(desc.typeName, plain);
        fromJson(desc, plain);
        return plain;
      });
    }
    if (json instanceof JsonObject) return this.#fields(desc, json, place);
    return this.#problem(place, `expected an object (${desc.typeName})`);
  }

  #fields(desc: DescMessage, { members }: JsonObject, { name, path }: Place, skipped?: number) {
    const named = new Set<Field>();
    const set = new Set<Field>();
    const entries: [string, JsonValue][] = [];
    for (const [index, { key, value }] of members.entries()) {
      if (index === skipped) continue;
      const place = { name: nameOf.field(name, key), path: [...path, index] };
      const field = this.#findField(desc, key);
      if (field === undefined) {
        this.#problem(place, `${desc.typeName} does not have a field ${shown(key)}`);
        continue;
      }
      if (named.has(field)) this.#problem(place, `the field ${field.name} is set multiple times`);
      named.add(field);
      if (value === null && !takesNull(field)) continue;
      const other = field.oneof?.fields.find((each) => each !== field && set.has(each));
      if (other !== undefined) {
        this.#problem(place, `oneof set multiple times: ${field.oneof?.name} has ${other.name} and ${field.name}`);
      }
      set.add(field);
      entries.push([key, this.#field(field, value, place)]);
    }
    for (const field of desc.fields) {
      if (!isRequired(field) || set.has(field)) continue;
      this.#problem({ name: nameOf.field(name, field.jsonName), path }, `the required field ${field.name} is not set`);
    }
    return Object.fromEntries(entries); // makes own members of all keys, also of "__proto__"
  }

  #findField(desc: DescMessage, key: string): Field | undefined {
    const field = desc.fields.find((each) => isKeyOf(key, each));
    if (field !== undefined || !/^\[.*\]$/.test(key)) return field;
    const extension = this.#registry.getExtension(key.slice(1, -1));
    return extension?.extendee.typeName === desc.typeName ? extension : undefined;
  }

  #field(field: Field, json: Json, place: Place): JsonValue {
    if (field.fieldKind === "map") return this.#map(field, json, place);
    if (field.fieldKind !== "list") return this.#element(field, json, place);
    if (!isList(json)) return this.#problem(place, `expected a list (${field.name})`);
    const { name, path } = place;
    return json.map((item, i) => this.#element(field, item, { name: nameOf.item(name, i), path: [...path, i] }));
  }

  #map(field: Field & { fieldKind: "map" }, json: Json, { name, path }: Place): JsonValue {
    if (!(json instanceof JsonObject)) return this.#problem({ name, path }, `expected an object (${field.name})`);
    const seen = new Set<JsonValue>();
    const entries = json.members.map(({ key, value }, i): [string, JsonValue] => {
      const place = { name: nameOf.entry(name, key), path: [...path, i] };
      const read = this.#read(place, () => readKey(field.mapKey, key));
      if (seen.has(read)) this.#problem(place, `the map has the key ${shown(key)} multiple times`);
      seen.add(read);
      return [key, this.#element(field, value, place)];
    });
    return Object.fromEntries(entries);
  }

  /** Reads the value of a field, of an item of its list, or of an entry of its map. */
  #element(field: Field, json: Json, place: Place): JsonValue {
    if (field.message !== undefined) return this.message(field.message, json, place);
    const { scalar, enum: ofEnum } = field;
    return this.#read(place, () => (ofEnum === undefined ? readScalar(scalar, json) : readEnum(ofEnum, json)));
  }

  #any(json: Json, place: Place): JsonValue {
    if (!(json instanceof JsonObject))
      return this.#problem(place, "expected an object with @type (google.protobuf.Any)");
    if (json.members.length === 0) return {};
    const index = json.members.findIndex(({ key }) => key === "@type");
    const url = json.members[index]?.value;
    if (typeof url !== "string")
      return this.#problem(place, 'expected "@type", like "type.googleapis.com/package.Name"');
    const desc = this.#registry.getMessage(url.slice(url.lastIndexOf("/") + 1));
    if (desc === undefined) return this.#problem(place, `the contract does not have the type ${shown(url)}`);
    if (!hasCustomJsonRepresentation(desc)) return { ...this.#fields(desc, json, place, index), "@type": url };
    const at = json.members.findIndex(({ key }) => key === "value");
    if (at === -1 || json.members.length !== 2) return this.#problem(place, 'expected "@type" and "value" only');
    const inner = { name: nameOf.field(place.name, "value"), path: [...place.path, at] };
    return { "@type": url, value: this.message(desc, json.members[at]?.value as Json, inner) };
  }

  /** Copies a google.protobuf.Struct, Value or ListValue, which take any JSON, and all values with JSON of their own. */
  #plain(json: Json, { name, path }: Place): JsonValue {
    if (json instanceof JsonNumber) {
      const number = Number(json.source);
      return Number.isFinite(number) ? number : this.#problem({ name, path }, `${shown(json)} is outside double`);
    }
    if (isList(json)) {
      return json.map((item, i) => this.#plain(item, { name: nameOf.item(name, i), path: [...path, i] }));
    }
    if (!(json instanceof JsonObject)) return json;
    const seen = new Set<string>();
    const entries = json.members.map(({ key, value }, i): [string, JsonValue] => {
      const place = { name: nameOf.entry(name, key), path: [...path, i] };
      if (seen.has(key)) this.#problem(place, `the object has the key ${shown(key)} multiple times`);
      seen.add(key);
      return [key, this.#plain(value, place)];
    });
    return Object.fromEntries(entries);
  }

  #read<T extends JsonValue>(place: Place, read: () => T): T | null {
    try {
      return read();
    } catch (error) {
      return this.#problem(place, (error as Error).message);
    }
  }

  #problem({ name, path }: Place, message: string): null {
    if (this.problems.size < MAX_PROBLEMS && !this.problems.has(name)) this.problems.set(name, { message, path });
    return null;
  }
}

/** Limits the problems that are reported. */
const MAX_PROBLEMS = 100;
