/** Parts that the programs in every language share. */
import type { DescMessage, DescMethod, Message, Registry } from "@bufbuild/protobuf";
import { type Any, anyUnpack } from "@bufbuild/protobuf/wkt";
import type { Address, CallSettings } from "../../../src/server/site/usage.ts";

/** The call that a program makes. */
export interface ProgramCall extends CallSettings {
  readonly method: DescMethod;
  /** The request's messages: one except for client streams. */
  readonly inputs: readonly Message[];
  readonly address: Address;
  /** The types that a google.protobuf.Any can hold. */
  readonly registry?: Registry | undefined;
}

const MAX_WIDTH = 100;

/**
 * Returns the items between `open` and `close`: in one line if the line is short, otherwise each item in lines of its
 * own, indented by `by`. `pad` separates the brackets from the items of one line.
 */
export function group(open: string, items: readonly string[], close: string, by: string, pad = ""): string {
  if (items.length === 0) return open + close;
  const line = open + pad + items.join(", ") + pad + close;
  if (line.length <= MAX_WIDTH && !line.includes("\n")) return line;
  return `${open}\n${items.map((item) => `${by}${indent(item, by)},\n`).join("")}${close}`;
}

/** Returns the text with every line but the first indented by `by`. */
export function indent(text: string, by: string): string {
  return text.replaceAll("\n", `\n${by}`);
}

/** Returns the message in an Any, or undefined if the registry does not have its type or the bytes are malformed. */
export function unpack(
  { typeUrl, value }: Any,
  registry: Registry | undefined,
): { readonly desc: DescMessage; readonly message: Message } | undefined {
  const desc = registry?.getMessage(typeUrl.replace(/^type\.googleapis\.com\//, ""));
  if (desc === undefined) return undefined;
  try {
    const message = anyUnpack({ $typeName: "google.protobuf.Any", typeUrl, value }, desc);
    return message && { desc, message };
  } catch {
    return undefined;
  }
}

/** Returns the shortest text of the number. String() would lose the sign of -0. */
export function numberText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}
