/** A header field (RFC 9113, 8.2) and its kind, as the HPACK tables (RFC 7541, 2.3) store both. */
import type { Field } from "../../http/exchange.ts";

/** The kinds of fields. A table entry stores its kind, so that an indexed field needs no look-up by name. */
export const FieldKind = {
  Regular: 0,
  Malformed: 1,
  Method: 2,
  Scheme: 3,
  Path: 4,
  Authority: 5,
  Host: 6,
  ContentLength: 7,
  Cookie: 8,
  Expect: 9,
} as const;
export type FieldKind = (typeof FieldKind)[keyof typeof FieldKind];

const KINDS: ReadonlyMap<string, FieldKind> = new Map<string, FieldKind>([
  [":method", FieldKind.Method],
  [":scheme", FieldKind.Scheme],
  [":path", FieldKind.Path],
  [":authority", FieldKind.Authority],
  ["host", FieldKind.Host],
  ["content-length", FieldKind.ContentLength],
  ["cookie", FieldKind.Cookie],
  ["expect", FieldKind.Expect],
  // Connection-specific fields (8.2.2).
  ["connection", FieldKind.Malformed],
  ["keep-alive", FieldKind.Malformed],
  ["proxy-connection", FieldKind.Malformed],
  ["transfer-encoding", FieldKind.Malformed],
  ["upgrade", FieldKind.Malformed],
]);

/** A field name: a token without upper-case letters (8.2, 8.2.1). */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/**
 * Matches an invalid value: it has a control character other than tab, a character above U+00FF (RFC 9110, 5.5), or
 * white space at either end (8.2.1).
 */
const INVALID_VALUE = /[^\t\x20-\x7e\x80-\xff]|^[ \t]|[ \t]$/;
const DECIMAL = /^\d{1,15}$/;

export class HeaderField {
  readonly field: Field;
  readonly kind: FieldKind;

  constructor(name: string, value: string) {
    this.field = [name, value];
    this.kind = kindOf(name, value);
  }

  /** The size in bytes of the field in a table or a list (RFC 7541, 4.1). */
  get size(): number {
    return this.field[0].length + this.field[1].length + 32;
  }
}

function kindOf(name: string, value: string): FieldKind {
  if (INVALID_VALUE.test(value)) return FieldKind.Malformed;
  const kind = KINDS.get(name);
  if (kind === FieldKind.ContentLength) return DECIMAL.test(value) ? kind : FieldKind.Malformed;
  if (kind !== undefined) return kind;
  // A pseudo-header field that KINDS does not have is malformed (8.3). For te, only "trailers" is valid (8.2.2).
  return NAME.test(name) && (name !== "te" || value === "trailers") ? FieldKind.Regular : FieldKind.Malformed;
}

/** True if the field is valid in a message that this side sends (8.2.1, 8.2.2). */
export function isSendable(name: string, value: string): boolean {
  return NAME.test(name) && KINDS.get(name) !== FieldKind.Malformed && !INVALID_VALUE.test(value);
}
