/**
 * The Huffman code of HPACK (RFC 7541, 5.2 and appendix B). The code is canonical: codes of the same length are
 * consecutive numbers in the order of their symbols. The lengths of the codes therefore define all codes.
 */

/** The length in bits of the code of each symbol, 0 to 255 and EOS, as a letter: "A" is 5, "B" is 6, "Z" is 30. */
const LENGTHS =
  "ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHF" +
  "IBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJBKABABABBBACCBBBABCBAABCCCCCKGJIX" +
  "PRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRS" +
  "VVPORSRUVVVWWVTUOQVWWVWTQQVVXWWWPTPQRQQSRRUUTTVSVWVVWWWWWXWWWWWVZ";

const EOS = 256;
const MIN_CODE_BITS = 5;
const MAX_CODE_BITS = 30;
const lengths: readonly number[] = Array.from(LENGTHS, (letter) => letter.charCodeAt(0) - 65 + MIN_CODE_BITS);
const codes: readonly number[] = canonicalCodes();
/**
 * The decoding tree. Its root is indexed by ROOT_BITS bits, and each other node by NODE_BITS bits. A negative cell is the
 * negated index of the next node. A cell of 0 is an invalid code. A positive cell has one symbol, or two in the root if
 * their codes fit: the symbols, their number, CONTROL, and the number of bits that their codes use.
 */
const ROOT_BITS = 12;
const NODE_BITS = 8;
const SECOND_SYMBOL = 8;
const COUNT = 16;
/** A control character other than tab is among the symbols. Such a character is invalid in a field (RFC 9113, 8.2.1). */
const CONTROL = 1 << 18;
const BITS = 19;
/** The decoding tree after the first use. Making it takes a millisecond or more, which a start can save. */
let madeTree: Int32Array | undefined;

function canonicalCodes(): number[] {
  const made: number[] = [];
  let code = 0;
  for (let bits = MIN_CODE_BITS; bits <= MAX_CODE_BITS; bits++) {
    for (let symbol = 0; symbol <= EOS; symbol++) if (lengths[symbol] === bits) made[symbol] = code++;
    code *= 2;
  }
  return made;
}

function codeTree(): Int32Array {
  const cells: number[] = new Array(1 << ROOT_BITS).fill(0);
  for (let symbol = 0; symbol < EOS; symbol++) addCode(cells, symbol);
  addPairs(cells);
  return Int32Array.from(cells);
}

function addCode(cells: number[], symbol: number): void {
  const code = codes[symbol] as number;
  let bits = lengths[symbol] as number;
  let node = 0;
  let width = ROOT_BITS;
  for (; bits > width; bits -= width, width = NODE_BITS) {
    const cell = node + ((code >>> (bits - width)) & ((1 << width) - 1));
    if (cells[cell] === 0) {
      cells[cell] = -cells.length;
      for (let i = 0; i < 1 << NODE_BITS; i++) cells.push(0);
    }
    node = -(cells[cell] as number);
  }
  const first = node + ((code << (width - bits)) & ((1 << width) - 1));
  const control = isControl(symbol) ? CONTROL : 0;
  cells.fill((bits << BITS) | control | (1 << COUNT) | symbol, first, first + (1 << (width - bits)));
}

/** Adds a second symbol to each cell of the root whose remaining bits are a whole code. */
function addPairs(cells: number[]): void {
  const single = cells.slice(0, 1 << ROOT_BITS);
  for (const [index, cell] of single.entries()) {
    const bits = cell >>> BITS;
    const next = single[(index << bits) & ((1 << ROOT_BITS) - 1)] as number;
    const both = bits + (next >>> BITS);
    if (cell <= 0 || next <= 0 || both > ROOT_BITS) continue;
    const symbols = (cell & 255) | ((next & 255) << SECOND_SYMBOL);
    cells[index] = (both << BITS) | ((cell | next) & CONTROL) | (2 << COUNT) | symbols;
  }
}

/** True for a control character other than tab, which is invalid in a field (RFC 9113, 8.2.1; RFC 9110, 5.5). */
export function isControl(symbol: number): boolean {
  return (symbol < 32 && symbol !== 9) || symbol === 127;
}

/** Added to the result of huffmanDecode if the text has a control character other than tab. */
export const HAS_CONTROL = 1 << 30;

/** Returns the number of bytes that the text of `length` encoded bytes may need in `out` of `huffmanDecode`. */
export function maxTextBytes(length: number): number {
  return Math.ceil((length * 8) / MIN_CODE_BITS) + 1;
}

/**
 * Decodes bytes[start] to bytes[end - 1] into `out` from `outStart` on, which has room for `maxTextBytes` bytes. Returns
 * the end of the text in `out`, plus HAS_CONTROL, or -1 if the code is invalid (5.2).
 */
export function huffmanDecode(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  outStart: number,
): number {
  madeTree ??= codeTree();
  const tree = madeTree;
  let at = start;
  let outEnd = outStart;
  let seen = 0;
  // The lowest `count` bits of `held` were read, but are not decoded yet.
  let held = 0;
  let count = 0;
  for (;;) {
    if (count < ROOT_BITS) {
      held = (held << 16) | twoBytes(bytes, at, end);
      at += 2;
      count += 16;
    }
    let cell = tree[(held >>> (count - ROOT_BITS)) & ((1 << ROOT_BITS) - 1)] as number;
    if (cell <= 0) {
      const ones = (1 << count) - 1;
      if (at >= end && (held & ones) === ones) break;
      // A code of over ROOT_BITS bits.
      for (count -= ROOT_BITS; cell < 0; count -= NODE_BITS) {
        if (count < NODE_BITS) {
          held = (held << 16) | twoBytes(bytes, at, end);
          at += 2;
          count += 16;
        }
        cell = tree[-cell + ((held >>> (count - NODE_BITS)) & ((1 << NODE_BITS) - 1))] as number;
      }
      if (cell === 0) return -1;
      count += NODE_BITS; // the last node's code uses only its own bits
    }
    out[outEnd] = cell;
    out[outEnd + 1] = cell >>> SECOND_SYMBOL;
    outEnd += (cell >>> COUNT) & 3;
    seen |= cell;
    count -= cell >>> BITS;
  }
  // The padding is shorter than eight bits. Less than none is left if the last code continues in the ones after the end.
  const padding = count - (at - end) * 8;
  if (padding < 0 || padding > 7) return -1;
  return seen & CONTROL ? outEnd + HAS_CONTROL : outEnd;
}

/** Returns the two bytes at `at`. Ones follow the end, as in the padding (5.2). */
function twoBytes(bytes: Uint8Array, at: number, end: number): number {
  if (end - at > 1) return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  return at < end ? ((bytes[at] as number) << 8) | 0xff : 0xffff;
}

/** Appends the Huffman code of a text in latin1, padded with ones to whole bytes. */
export function huffmanEncode(text: string, out: number[]): void {
  // `held` has at most 37 bits: a code of at most 30, and fewer than eight bits that were left over. Numbers are exact
  // up to 53 bits.
  let held = 0;
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i) & 255;
    const bits = lengths[byte] as number;
    held = held * 2 ** bits + (codes[byte] as number);
    for (count += bits; count >= 8; ) {
      count -= 8;
      const rest = held % 2 ** count;
      out.push((held - rest) / 2 ** count);
      held = rest;
    }
  }
  if (count > 0) out.push((held << (8 - count)) | ((1 << (8 - count)) - 1));
}

/** Returns the number of bytes that huffmanEncode appends. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += lengths[text.charCodeAt(i) & 255] as number;
  return Math.ceil(bits / 8);
}
