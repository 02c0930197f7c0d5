/**
 * A decoder of request heads that is simple and slow: no caches, Huffman codes bit by bit, and regular expressions for each
 * field. Tests compare RequestDecoder with it.
 */
import type { Field } from "../../../src/server/http/exchange.ts";
import { huffmanEncode } from "../../../src/server/http2/hpack/huffman.ts";
import { STATIC_TABLE } from "../../../src/server/http2/hpack/static-table.ts";

/** The properties of a request head, or the reason not to serve the request. */
export type ReferenceHead =
  | {
      readonly method: string;
      readonly scheme: string;
      readonly authority: string;
      readonly path: string;
      readonly fields: readonly Field[];
      readonly contentLength: number;
      readonly expectsContinue: boolean;
    }
  | "malformed"
  | number;

const MAX_TABLE_BYTES = 4096;
const SYMBOLS: ReadonlyMap<string, string> = symbolsByCode();

/** Returns the symbols by their codes as texts of bits. The code of eight equal symbols has no padding. */
function symbolsByCode(): Map<string, string> {
  return new Map(
    Array.from({ length: 256 }, (_, symbol) => {
      const text = String.fromCharCode(symbol);
      const coded: number[] = [];
      huffmanEncode(text.repeat(8), coded);
      return [bitsOf(coded).slice(0, coded.length), text];
    }),
  );
}

function bitsOf(bytes: Iterable<number>): string {
  return Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("");
}

/** Throws if the code is invalid. */
export function referenceText(bytes: Uint8Array): string {
  let text = "";
  let code = "";
  for (const bit of bitsOf(bytes)) {
    code += bit;
    const symbol = SYMBOLS.get(code);
    if (symbol === undefined) continue;
    text += symbol;
    code = "";
  }
  if (code.length > 7 || code.includes("0")) throw new Error("invalid Huffman code");
  return text;
}

export class ReferenceDecoder {
  /** The dynamic table, from the newest entry to the oldest. */
  readonly table: Field[] = [];
  #maxSize = MAX_TABLE_BYTES;
  #rest: Buffer = Buffer.alloc(0);

  /** Returns the head of a block. Throws if the block cannot be decoded. */
  decode(block: Buffer, maxListBytes: number): ReferenceHead {
    const list = this.decodeList(block);
    return list.reduce((sum, field) => sum + sizeOf(field), 0) > maxListBytes ? 431 : headOf(list);
  }

  /** Returns the fields of a block. Throws if the block cannot be decoded. */
  decodeList(block: Buffer): Field[] {
    const list: Field[] = [];
    for (this.#rest = block; this.#rest.length > 0; ) {
      const type = this.#rest[0] as number;
      if (type >= 0x80) list.push(this.#entry(this.#integer(7)));
      else if (type >= 0x40) {
        const field = this.#literal(6);
        this.#insert(field);
        list.push(field);
      } else if (type < 0x20) list.push(this.#literal(4));
      else {
        if (list.length > 0) throw new Error("size update after a field");
        this.#maxSize = this.#integer(5);
        if (this.#maxSize > MAX_TABLE_BYTES) throw new Error("table too large");
        this.#evict(this.#maxSize);
      }
    }
    return list;
  }

  #literal(prefix: number): Field {
    const index = this.#integer(prefix);
    const name = index === 0 ? this.#string() : this.#entry(index)[0];
    return [name, this.#string()];
  }

  #take(bytes: number): Buffer {
    if (bytes > this.#rest.length) throw new Error("block ends early");
    const taken = this.#rest.subarray(0, bytes);
    this.#rest = this.#rest.subarray(bytes);
    return taken;
  }

  #integer(prefix: number): number {
    const max = 2 ** prefix - 1;
    let value = (this.#take(1)[0] as number) & max;
    if (value < max) return value;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#take(1)[0] as number;
      value += (byte % 128) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw new Error("integer too large");
  }

  #string(): string {
    const isHuffman = (this.#rest[0] ?? 0) >= 0x80;
    const bytes = this.#take(this.#integer(7));
    return isHuffman ? referenceText(bytes) : bytes.toString("latin1");
  }

  #entry(index: number): Field {
    const entry = STATIC_TABLE[index - 1]?.field ?? this.table[index - STATIC_TABLE.length - 1];
    if (entry === undefined) throw new Error("no such entry");
    return entry;
  }

  #insert(field: Field): void {
    this.#evict(this.#maxSize - sizeOf(field));
    if (sizeOf(field) <= this.#maxSize) this.table.unshift(field);
  }

  #evict(size: number): void {
    while (this.table.reduce((sum, field) => sum + sizeOf(field), 0) > size && this.table.length > 0) this.table.pop();
  }
}

function sizeOf([name, value]: Field): number {
  return name.length + value.length + 32;
}

const HOP_BY_HOP = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

function isMalformed([name, value]: Field): boolean {
  if (/[^\t\x20-\x7e\x80-\xff]|^[ \t]|[ \t]$/.test(value)) return true;
  if ([":method", ":scheme", ":path", ":authority"].includes(name)) return false;
  if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name) || HOP_BY_HOP.includes(name)) return true;
  return (name === "te" && value !== "trailers") || (name === "content-length" && !/^\d{1,15}$/.test(value));
}

/** True if a list is valid as trailers. */
export function areReferenceTrailers(list: readonly Field[]): boolean {
  return list.every((field) => !field[0].startsWith(":") && !isMalformed(field));
}

function headOf(list: readonly Field[]): ReferenceHead {
  const fields: Field[] = [];
  const pseudo = new Map<string, string>();
  for (const [name, value] of list) {
    if (isMalformed([name, value])) return "malformed";
    const cookie = fields.findIndex((field) => field[0] === "cookie");
    if (name.startsWith(":")) {
      if (fields.length > 0 || pseudo.has(name)) return "malformed";
      pseudo.set(name, value);
    } else if (name === "cookie" && cookie >= 0) fields[cookie] = [name, `${fields[cookie]?.[1]}; ${value}`];
    else fields.push([name, value]);
  }
  const valuesOf = (name: string) => fields.filter((field) => field[0] === name).map((field) => field[1]);
  const lengths = valuesOf("content-length").map(Number);
  const hosts = valuesOf("host");
  if (new Set(lengths).size > 1 || new Set(hosts).size > 1) return "malformed";
  return checkedHead(pseudo, hosts[0], {
    fields,
    contentLength: lengths[0] ?? -1,
    expectsContinue: valuesOf("expect").at(-1)?.toLowerCase() === "100-continue",
  });
}

function checkedHead(
  pseudo: ReadonlyMap<string, string>,
  host: string | undefined,
  rest: { readonly fields: readonly Field[]; readonly contentLength: number; readonly expectsContinue: boolean },
): ReferenceHead {
  const [method, scheme, path] = [pseudo.get(":method"), pseudo.get(":scheme"), pseudo.get(":path")];
  let authority = pseudo.get(":authority");
  if (method === undefined || !/^[!#$%&'*+\-.^_`|~\w]+$/.test(method)) return "malformed";
  for (const each of [authority, host]) if (each !== undefined && !/^[!-~]+$/.test(each)) return 400;
  authority = authority?.replace(/^([\da-f]*:[\da-f:.]*)(:\d{1,5})$/i, "[$1]$2");
  if (method === "CONNECT") {
    return scheme === undefined && path === undefined && authority !== undefined ? 501 : "malformed";
  }
  if (scheme === undefined || path === undefined) return "malformed";
  if (scheme !== "http" && scheme !== "https") return 400;
  if (!/^\/[!"$-~]*$/.test(path) && !(path === "*" && method === "OPTIONS")) return "malformed";
  const normalize = (text: string) => text.toLowerCase().replace(scheme === "http" ? /:(?:80)?$/ : /:(?:443)?$/, "");
  if (host !== undefined && authority !== undefined && normalize(host) !== normalize(authority)) return "malformed";
  return { method, scheme, authority: authority ?? host ?? "", path, ...rest };
}
