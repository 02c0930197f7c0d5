/** Attacks with messages that are large, or become large: decompressed, or kept by slow handlers. */
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { type Call, CELLS, type Cell, callIn } from "../../support/cells.ts";
import type { Attack, Target } from "../support/attack.ts";

const off = Infinity;
const MESSAGE_BYTES = 4_194_304;
const BOMB_BYTES = 32 << 20;
const AT_ONCE = 60;
/** Bytes of memory that the server may use for `AT_ONCE` messages of 4 MiB each, with their decompressors. */
const FLAT_BYTES = 128 << 20;
const PATHS = { unary: "/fixture.Echo/Say", stream: "/fixture.Echo/Join" } as const;
const NO_ROOM = { bufferedBytes: off, bufferedBytesPerConnection: off };

type Http = Attack["http"];

/** Returns an unknown field with `size` zeros. */
function zeros(size: number): Buffer {
  const length = [0, 7, 14].map((shift) => ((size >> shift) & 0x7f) | 0x80);
  return Buffer.concat([Buffer.of(0x1a, ...length, size >> 21), Buffer.alloc(size)]);
}

/** Messages that exceed the limit when they are decompressed. */
const GZIP_BOMB = gzipSync(zeros(BOMB_BYTES), { level: 9 });
const BROTLI_BOMB = brotliBomb(22);
const WIDE_BROTLI_BOMB = brotliBomb(24);
/** A message for a handler that never ends. Each two bytes of it become an object. */
const MANY_FIELDS = Buffer.concat([Buffer.from("\x0a\x05stuck", "latin1"), Buffer.alloc(256_000, "\x18\x01")]);

function brotliBomb(windowBits: number): Buffer {
  const { BROTLI_PARAM_QUALITY: quality, BROTLI_PARAM_LGWIN: window } = constants;
  return brotliCompressSync(zeros(BOMB_BYTES), { params: { [quality]: 5, [window]: windowBits } });
}

/** Makes calls at the same time. Returns their different outcomes, and if the process of the server grew much. */
async function atOnce(target: Target, cell: Cell, call: Call, count = AT_ONCE, flat = FLAT_BYTES): Promise<string> {
  const told = new Set<string>();
  async function make(): Promise<void> {
    try {
      const { code, message } = await callIn(cell, target.url, call);
      told.add(message === "" ? String(code) : message);
    } catch (error) {
      told.add((error as Error).message);
    }
  }
  const growth = await target.residentGrowth(() => Promise.all(Array.from({ length: count }, make)));
  return `${[...told].sort().join(", ")}, ${growth < flat ? "flat" : "grown"}`;
}

function attacks(http: Http): readonly Omit<Attack, "http">[] {
  const [protocol, version] = http === "1.1" ? ["gRPC-Web", "HTTP/1.1"] : ["gRPC", "HTTP/2"];
  const cell = CELLS.find(
    (each) => each.protocol === protocol && each.http === version && each.codec === "proto",
  ) as Cell;
  // Each takes seconds, so each attack is a unary call over one version and a stream over the other.
  const [wide, bombs] =
    http === "1.1"
      ? ([
          "stream",
          [
            ["br", "unary"],
            ["gzip", "stream"],
          ],
        ] as const)
      : ([
          "unary",
          [
            ["gzip", "unary"],
            ["br", "stream"],
          ],
        ] as const);
  const slow = Buffer.concat([Buffer.from("\x0a\x05stuck", "latin1"), zeros(MESSAGE_BYTES - 12)]);
  return [
    {
      name: `${AT_ONCE} Brotli windows of 16 MiB at once, ${wide}`,
      off: { brotliWindowBytes: off },
      run: (target) => atOnce(target, cell, { path: PATHS[wide], message: WIDE_BROTLI_BOMB, encoding: "br" }),
      cut: /^Brotli window of 16777216 bytes exceeds 4194304 bytes, flat$/,
      uncut: /^decompressed message exceeds 4194304 bytes/,
    },
    ...bombs.map(
      ([encoding, kind]): Omit<Attack, "http"> => ({
        name: `${AT_ONCE} ${encoding} bombs at once, ${kind}`,
        off: { decompressors: off, ...NO_ROOM },
        logged: "messageBytes",
        run: (target) =>
          atOnce(target, cell, { path: PATHS[kind], message: encoding === "br" ? BROTLI_BOMB : GZIP_BOMB, encoding }),
        cut: /^decompressed message exceeds 4194304 bytes, flat$/,
        uncut: /, grown$/,
      }),
    ),
    {
      name: "more compressed messages than may wait",
      limits: { decompressors: 1, queuedDecompressions: 10 },
      off: { queuedDecompressions: off },
      run: (target) => atOnce(target, cell, { path: PATHS.unary, message: GZIP_BOMB, encoding: "gzip" }, 40),
      cut: /^decompress a message: 10 others are waiting, decompressed message exceeds 4194304 bytes, /,
      uncut: /^decompressed message exceeds 4194304 bytes, /,
    },
    {
      name: "messages of 128,000 small fields to handlers that keep them",
      limits: { bufferedBytes: 64 << 20 },
      off: NO_ROOM,
      logged: "bufferedBytes",
      good: "health",
      // Each message is 20 MB or more. Measured growth: 400 to 530 MiB with the limit, 880 to 910 MiB without.
      run: (target) => atOnce(target, cell, { path: PATHS.unary, message: MANY_FIELDS, timeout: "5S" }, 40, 700 << 20),
      cut: /memory for messages is used up.*, flat$/,
      uncut: /^the operation timed out, grown$/,
    },
    ...([undefined, "gzip"] as const).map(
      (encoding): Omit<Attack, "http"> => ({
        name: `${encoding ?? "plain"} messages of 4 MiB to handlers that keep them`,
        limits: { bufferedBytes: 32 << 20, callsInFlight: 100 },
        off: NO_ROOM,
        logged: "bufferedBytes",
        good: "health",
        // Measured growth: 46 to 217 MiB with the limit, 370 to 563 MiB without.
        run(target) {
          const message = encoding === undefined ? slow : gzipSync(slow);
          return atOnce(target, cell, { path: PATHS.unary, message, encoding, timeout: "1S" }, 90, 290 << 20);
        },
        cut: /(memory for messages is used up|ENHANCE_YOUR_CALM|undefined).*, flat$/,
        uncut: /^the operation timed out, grown$/,
      }),
    ),
  ];
}

export const MESSAGE_ATTACKS: readonly Attack[] = (["1.1", "2"] as const).flatMap((http) =>
  attacks(http).map((attack): Attack => ({ ...attack, http })),
);
