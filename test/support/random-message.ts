/** Creates random messages of any descriptor. */
import { type DescEnum, type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import type { Random } from "./random.ts";

const TEXTS = ["", "a", "naïve", "한국어", "🦊", '"quoted"\\\n', "=&?%+", " "];

/** Returns a message with about half of its fields set. Messages in it are nested up to `depth` levels deep. */
export function randomMessage(random: Random, desc: DescMessage, depth = 3): Message {
  const message = reflect(desc);
  for (const field of desc.fields) if (random.chance(2)) setField(random, message, field, depth);
  return message.message;
}

function setField(random: Random, message: ReflectMessage, field: DescField, depth: number): void {
  if (field.message !== undefined && depth === 0) return;
  const count = random.below(4);
  if (field.fieldKind === "list") {
    for (let i = 0; i < count; i++) message.get(field).add(element(random, field, depth));
  } else if (field.fieldKind === "map") {
    for (let i = 0; i < count; i++) {
      message.get(field).set(scalar(random, field.mapKey), element(random, field, depth));
    }
  } else message.set(field, element(random, field, depth));
}

function element(random: Random, field: DescField, depth: number): unknown {
  if (field.message !== undefined) return reflect(field.message, randomMessage(random, field.message, depth - 1));
  if (field.enum !== undefined) return random.pick((field.enum as DescEnum).values).number;
  return scalar(random, field.scalar as ScalarType);
}

function scalar(random: Random, type: ScalarType): unknown {
  const bits = BigInt(`0x${random.bytes(8).toString("hex")}`) >> BigInt(random.below(64));
  switch (type) {
    case ScalarType.STRING:
      return random.pick(TEXTS) + random.text(random.below(20));
    case ScalarType.BYTES:
      return Uint8Array.from(random.bytes(random.below(20)));
    case ScalarType.BOOL:
      return random.chance(2);
    case ScalarType.DOUBLE:
      return random.pick([0, -0, 1.5, -1e300, Number.NaN, Number.POSITIVE_INFINITY, Number(bits)]);
    case ScalarType.FLOAT:
      return Math.fround(random.pick([0, -0, 1.5, Number.NaN, Number.NEGATIVE_INFINITY, Number(bits)]));
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return Number(BigInt.asUintN(32, bits));
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return bits;
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return BigInt.asIntN(64, random.chance(2) ? bits : -bits);
    default:
      return Number(BigInt.asIntN(32, random.chance(2) ? bits : -bits));
  }
}
