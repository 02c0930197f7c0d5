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
  /** Only the kind of a name: a field "te" is regular or malformed. */
  Te: 10,
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
  ["te", FieldKind.Te],
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

const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/;
/** A path and an optional query, in visible ASCII and without a fragment (8.3.1). */
const PATH = /^\/[!"$-~]*$/;
/**
 * Visible ASCII. This accepts more than an authority of RFC 3986 (8.3.1), as grpc-go does. Health checkers of gRPC send
 * cluster names such as "outbound|50051||sum.default.svc".
 */
const AUTHORITY = /^[!-~]+$/;
/** An IPv6 address without brackets, and a port. The client of node:http2 sends such an authority. */
const BARE_IPV6 = /^([\da-f]*:[\da-f:.]*)(:\d{1,5})$/i;

/** The syntax of the values that a request head checks. */
const SYNTAX: readonly (RegExp | undefined)[] = Object.assign([], {
  [FieldKind.Method]: TOKEN,
  [FieldKind.Path]: PATH,
  [FieldKind.Authority]: AUTHORITY,
  [FieldKind.Host]: AUTHORITY,
});

/** A field name and the kind of its fields, unless their values are malformed. Fields share it, so that it is found once. */
export class FieldName {
  readonly text: string;
  readonly kind: FieldKind;

  constructor(text: string) {
    this.text = text;
    // A pseudo-header field that KINDS does not have is malformed (8.3).
    this.kind = KINDS.get(text) ?? (NAME.test(text) ? FieldKind.Regular : FieldKind.Malformed);
  }
}

/** The values of regular fields of one block, joined. One long string costs less than many short ones. */
export class BlockText {
  /** Empty until the block has been decoded. */
  text = "";
}

/** A header field. Everything that its value decides is found once, and then kept in the HPACK tables with the field. */
export class HeaderField {
  readonly name: FieldName;
  readonly kind: FieldKind;
  /** False if the value does not have the syntax of a method, a path or an authority. True for all other fields. */
  readonly isWellFormed: boolean;
  /** The size in bytes of the field in a table or a list (RFC 7541, 4.1). */
  readonly size: number;
  #field: Field | undefined;
  #text: BlockText | undefined;
  readonly #start: number;

  private constructor(name: FieldName, kind: FieldKind, isWellFormed: boolean, length: number, start: number) {
    this.name = name;
    this.kind = kind;
    this.isWellFormed = isWellFormed;
    this.size = name.text.length + length + 32;
    this.#start = start;
  }

  /** Returns a field with this value. `hasControl` is true if the value has a control character other than tab. */
  static of(name: FieldName, value: string, hasControl: boolean): HeaderField {
    const isInvalid = hasControl || hasOuterSpace(value.charCodeAt(0), value.charCodeAt(value.length - 1));
    const kind = isInvalid ? FieldKind.Malformed : kindOf(name.kind, value);
    const field = new HeaderField(name, kind, SYNTAX[kind]?.test(value) ?? true, value.length, 0);
    field.#field = [name.text, kind === FieldKind.Authority ? value.replace(BARE_IPV6, "[$1]$2") : value];
    return field;
  }

  /**
   * Returns a field whose name is regular, and whose value will be the characters of `text` from `start` to `end` - 1.
   * Many values, such as those of a trace context, are never read, and then never become strings of their own.
   */
  static within(text: BlockText, start: number, end: number, name: FieldName, isValid: boolean): HeaderField {
    const field = new HeaderField(name, isValid ? FieldKind.Regular : FieldKind.Malformed, true, end - start, start);
    field.#text = text;
    return field;
  }

  /** The name and the value. An IPv6 address in :authority has brackets, even if the client has left them out. */
  get field(): Field {
    if (this.#field === undefined) {
      const length = this.size - 32 - this.name.text.length;
      this.#field = [this.name.text, (this.#text as BlockText).text.slice(this.#start, this.#start + length)];
      this.#text = undefined;
    }
    return this.#field;
  }
}

/** True if a value with these first and last characters begins or ends with a space or a tab (8.2.1). */
export function hasOuterSpace(first: number | undefined, last: number | undefined): boolean {
  return first === 0x20 || first === 0x09 || last === 0x20 || last === 0x09;
}

/** Returns the kind of a field whose name has the kind `kind`. */
function kindOf(kind: FieldKind, value: string): FieldKind {
  if (kind === FieldKind.ContentLength) return DECIMAL.test(value) ? kind : FieldKind.Malformed;
  // For te, only "trailers" is valid (8.2.2).
  if (kind === FieldKind.Te) return value === "trailers" ? FieldKind.Regular : FieldKind.Malformed;
  return kind;
}

/** True if the field is valid in a message that this side sends (8.2.1, 8.2.2). */
export function isSendable(name: string, value: string): boolean {
  return NAME.test(name) && KINDS.get(name) !== FieldKind.Malformed && !INVALID_VALUE.test(value);
}
