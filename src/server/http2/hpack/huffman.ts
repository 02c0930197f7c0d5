/**
 * The Huffman code of HPACK (RFC 7541, 5.2 and appendix B).
 *
 * The code is canonical: within one length, codes count up in the order of their symbols. So the lengths alone give it.
 */

/** The bits of each symbol's code, 0 to 255 and EOS, as letters: "A" is 5, "B" is 6, up to "Z", which is 30. */
const LENGTHS =
  "ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHF" +
  "IBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJBKABABABBBACCBBBABCBAABCCCCCKGJIX" +
  "PRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRS" +
  "VVPORSRUVVVWWVTUOQVWWVWTQQVVXWWWPTPQRQQSRRUUTTVSVWVVWWWWWXWWWWWVZ";

const EOS = 256;
const SHORTEST = 5;
const LONGEST = 30;
const lengths: readonly number[] = Array.from(LENGTHS, (letter) => letter.charCodeAt(0) - 65 + SHORTEST);
const codes: readonly number[] = canonicalCodes();
/**
 * The code as a tree that is walked eight bits at a time, 256 cells to a node. A cell is a symbol and the bits of these
 * eight that end its code (bits << 9 | symbol), a further node (-index), or 0, which no code leads to.
 */
const tree: Int32Array = codeTree();

function canonicalCodes(): number[] {
  const made: number[] = [];
  let code = 0;
  for (let bits = SHORTEST; bits <= LONGEST; bits++) {
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

/** The text of the Huffman code in bytes[start] to bytes[end - 1], in latin1; undefined where that is no code (5.2). */
export function huffmanDecode(bytes: Uint8Array, start: number, end: number): string | undefined {
  // The shortest code is five bits.
  const text = Buffer.allocUnsafe(Math.ceil(((end - start) * 8) / SHORTEST));
  let size = 0;
  let node = 0;
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
  // What is left are codes of fewer than eight bits, then padding: at most seven bits, all of them ones.
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

/** Adds the Huffman code of a text in latin1, padded with ones to whole bytes. */
export function huffmanEncode(text: string, out: number[]): void {
  // Fewer than eight bits are held over, and a code has at most 30: together a whole number that is exact.
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

/** The bytes of that code. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += lengths[text.charCodeAt(i) & 255] as number;
  return Math.ceil(bits / 8);
}
