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
 * The decoding tree, which reads eight bits at a time. Each node has 256 cells. A positive cell has a symbol and the
 * number of bits that its code uses of these eight (bits << 9 | symbol). A negative cell is the negated index of the
 * next node. A cell of 0 is an invalid code.
 */
const tree: Int32Array = codeTree();

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
  const cells: number[] = new Array(256).fill(0);
  for (let symbol = 0; symbol <= EOS; symbol++) {
    const code = codes[symbol] as number;
    let bits = lengths[symbol] as number;
    let node = 0;
    for (; bits > 8; bits -= 8) {
      const cell = node * 256 + ((code >>> (bits - 8)) & 255);
      if (cells[cell] === 0) {
        cells[cell] = -(cells.length / 256);
        for (let i = 0; i < 256; i++) cells.push(0);
      }
      node = -(cells[cell] as number);
    }
    const first = node * 256 + ((code << (8 - bits)) & 255);
    cells.fill((bits << 9) | symbol, first, first + (1 << (8 - bits)));
  }
  return Int32Array.from(cells);
}

/** Decodes bytes[start] to bytes[end - 1]. Returns the text in latin1, or undefined if the code is invalid (5.2). */
export function huffmanDecode(bytes: Uint8Array, start: number, end: number): string | undefined {
  const text = Buffer.allocUnsafe(Math.ceil(((end - start) * 8) / MIN_CODE_BITS));
  let size = 0;
  let node = 0;
  // The lowest `count` bits of `held` were read, but are not decoded yet.
  let held = 0;
  let count = 0;
  for (let at = start; at < end; at++) {
    held = ((held << 8) | (bytes[at] as number)) & 0xffff;
    count += 8;
    while (count >= 8) {
      const cell = tree[node | ((held >>> (count - 8)) & 255)] as number;
      if (cell <= 0) {
        if (cell === 0) return undefined;
        node = -cell * 256;
        count -= 8;
      } else {
        if ((cell & 511) === EOS) return undefined;
        text[size++] = cell;
        node = 0;
        count -= cell >>> 9;
      }
    }
  }
  // Fewer than eight bits remain. They may complete codes, and end with padding, which must be all ones.
  for (;;) {
    const cell = tree[node | ((held << (8 - count)) & 255)] as number;
    const bits = cell >>> 9;
    if (cell <= 0 || bits > count) break;
    text[size++] = cell;
    node = 0;
    count -= bits;
  }
  const padding = (1 << count) - 1;
  return node === 0 && (held & padding) === padding ? text.toString("latin1", 0, size) : undefined;
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
