/** Parts: ranges of bytes, each with an annotation of their meaning. */

/**
 * A range of bytes and its annotation. The functions of this folder divide a body or a request target into parts. Each
 * byte is in exactly one part. A part without bytes stands for a value that is empty or missing.
 */
export interface Part {
  /** The offset of the first byte. */
  readonly start: number;
  /** The offset after the last byte. */
  readonly end: number;
  readonly annotation: Annotation;
  /** The path of the value that the part belongs to, by the names in JSON: "a", "list[0].name". */
  readonly path?: string;
}

/** The meaning of a part's bytes. */
export type Annotation =
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
  // frames of gRPC, and of streams of Connect
  | { readonly kind: "flag"; readonly compressed: boolean; readonly content: FrameContent }
  | { readonly kind: "frame-length"; readonly bytes: number }
  | { readonly kind: "compressed" }
  | { readonly kind: "trailer-name"; readonly name: string }
  | { readonly kind: "trailer-mark" }
  | { readonly kind: "trailer-value"; readonly name: string; readonly value: string }
  // a request target
  | { readonly kind: "procedure" }
  | { readonly kind: "query-mark" }
  | { readonly kind: "parameter-name"; readonly name: string }
  | { readonly kind: "parameter-value"; readonly name: string; readonly value: string }
  // any format
  | { readonly kind: "opaque" }
  | { readonly kind: "malformed"; readonly expected: Expected };

/** The content of a frame: a message, the trailers of gRPC-Web, or the EndStreamResponse of Connect. */
export type FrameContent = "message" | "trailers" | "end-stream";

export type Value = string | number | bigint | boolean | null | Uint8Array;

/** The syntax that malformed bytes should have had. */
export type Expected = "tag" | "length" | "value" | "token" | "frame" | "trailer";

export interface DecodedValue {
  readonly path: string;
  readonly value: Value;
}

/** Returns the values that the parts encode, in their order. */
export function valuesIn(parts: readonly Part[]): DecodedValue[] {
  return parts.flatMap(({ annotation, path }) =>
    "value" in annotation && path !== undefined ? [{ path, value: annotation.value }] : [],
  );
}

/** Returns the parts with `offset` added to their offsets. */
export function shift(parts: readonly Part[], offset: number): Part[] {
  return parts.map((part) => ({ ...part, start: part.start + offset, end: part.end + offset }));
}
