/** A stretch of bytes and what it is: what the readers of this folder give. Each byte is in exactly one part; one of no bytes is where a value is empty or missing. */

export type What =
  // protobuf's binary format
  | { readonly kind: "tag"; readonly number: number; readonly wireType: number; readonly field?: string }
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "value"; readonly type: string; readonly value: Value }
  | { readonly kind: "group-end"; readonly number: number }
  // JSON
  | { readonly kind: "mark" }
  | { readonly kind: "space" }
  | { readonly kind: "key"; readonly name: string }
  | { readonly kind: "literal"; readonly value: Value }
  // gRPC's frames
  | { readonly kind: "flag"; readonly compressed: boolean; readonly trailers: boolean }
  | { readonly kind: "frame-length"; readonly bytes: number }
  | { readonly kind: "compressed" }
  | { readonly kind: "trailer-name"; readonly name: string }
  | { readonly kind: "trailer-mark" }
  | { readonly kind: "trailer-value"; readonly name: string; readonly value: string }
  // a request's target
  | { readonly kind: "procedure" }
  | { readonly kind: "query-mark" }
  | { readonly kind: "parameter-name"; readonly name: string }
  | { readonly kind: "parameter-value"; readonly name: string; readonly value: string }
  // anything
  | { readonly kind: "opaque" }
  | { readonly kind: "malformed"; readonly wanted: Wanted };

export type Value = string | number | bigint | boolean | null | Uint8Array;

/** What could not be read. */
export type Wanted = "tag" | "length" | "value" | "token" | "frame" | "trailer";

export interface Part {
  /** The first byte's offset, and the one after the last. */
  readonly start: number;
  readonly end: number;
  readonly what: What;
  /** Of the value that the part is of, by the names in JSON: "a", "list[0].name". */
  readonly path?: string;
}

export interface ShownValue {
  readonly path: string;
  readonly value: Value;
}

/** The values that the parts encode, in their order. */
export function valuesIn(parts: readonly Part[]): ShownValue[] {
  return parts.flatMap(({ what, path }) =>
    "value" in what && path !== undefined ? [{ path, value: what.value }] : [],
  );
}

/** The parts as they stand at an offset. */
export function shift(parts: readonly Part[], offset: number): Part[] {
  return parts.map((part) => ({ ...part, start: part.start + offset, end: part.end + offset }));
}
