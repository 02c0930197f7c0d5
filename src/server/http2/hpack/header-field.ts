/**
 * One field of a header list as HPACK's tables hold it, and what its name and value alone say of it (RFC 9113, 8.2).
 */
import type { Field } from "../../http/exchange.ts";

/** What a field is to a request. It is found once, when the field is made; an indexed field brings it along. */
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

/** A field's name: a token without upper case (8.2, 8.2.1). */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** What no field's value holds: a control character but a tab inside (RFC 9110, 5.5), or white space at an end (8.2.1). */
const NO_VALUE = /[^\t\x20-\x7e\x80-\xff]|^[ \t]|[ \t]$/;
const DECIMAL = /^\d{1,15}$/;

export class HeaderField {
  readonly field: Field;
  readonly kind: FieldKind;

  constructor(name: string, value: string) {
    this.field = [name, value];
    this.kind = kindOf(name, value);
  }

  /** Its size in a table or a list (RFC 7541, 4.1). */
  get size(): number {
    return this.field[0].length + this.field[1].length + 32;
  }
}

function kindOf(name: string, value: string): FieldKind {
  if (NO_VALUE.test(value)) return FieldKind.Malformed;
  const kind = KINDS.get(name);
  if (kind === FieldKind.ContentLength) return DECIMAL.test(value) ? kind : FieldKind.Malformed;
  if (kind !== undefined) return kind;
  // The only value of te is "trailers" (8.2.2). Other names that begin with ":" are no names at all (8.3).
  return NAME.test(name) && (name !== "te" || value === "trailers") ? FieldKind.Regular : FieldKind.Malformed;
}

/** What an answer's value consists of: no control characters, and nothing that is no byte (RFC 9110, 5.5). */
const SENDABLE = /^[\t -~\x80-\xff]*$/;

/** Whether an answer may carry this field (8.2.1, 8.2.2). */
export function isSendable(name: string, value: string): boolean {
  return NAME.test(name) && KINDS.get(name) !== FieldKind.Malformed && SENDABLE.test(value) && !NO_VALUE.test(value);
}
