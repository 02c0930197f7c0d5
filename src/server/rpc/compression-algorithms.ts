/** gzip and br: encoders, and decoders with limited memory. */
import type { Transform } from "node:stream";
import { Code, ConnectError } from "@connectrpc/connect";
import { brotliStored, brotliWindowBytes } from "./brotli.ts";
import { decompressedTooLarge, noRoomForMessage } from "./call-errors.ts";
import type { CallMemory } from "./call-memory.ts";

export interface Algorithm {
  readonly name: string;
  readonly createDecoder: () => Transform;
  /** Returns the size in bytes of the window that a decoder allocates. `first` is the first byte of its input. */
  readonly windowBytes: (first: number) => number;
  readonly compress: (bytes: Uint8Array) => Promise<Uint8Array>;
  /** Returns `bytes` in the format of the algorithm, but uncompressed. This takes little CPU. */
  readonly store: (bytes: Uint8Array) => Uint8Array;
}

/**
 * Size of the decoders' output chunks. The default of zlib, 16 KiB, would take more turns of the thread pool. A chunk
 * of this size is not a part of Buffer's pool, so that `free` can free it.
 */
const CHUNK_BYTES = 65_536;
/** Quality 4 costs as much CPU as gzip. The default of 11 makes 60 KB of JSON a third smaller for 70 times the CPU. */
const BROTLI_QUALITY = 4;
const MIN_WINDOW_BITS = 16;
const MAX_WINDOW_BITS = 22;

const { promisify } = process.getBuiltinModule("node:util");
/** Loads node:zlib when it is first needed. */
const zlib = () => process.getBuiltinModule("node:zlib");

type BrotliCompress = (bytes: Uint8Array, options: object) => Promise<Uint8Array>;

export const GZIP: Algorithm = {
  name: "gzip",
  createDecoder: () => zlib().createGunzip({ chunkSize: CHUNK_BYTES }),
  windowBytes: () => 32_768,
  compress: (bytes) => promisify(zlib().gzip)(bytes),
  store: (bytes) => zlib().gzipSync(bytes, { level: 0 }),
};

export const BROTLI: Algorithm = {
  name: "br",
  createDecoder: () => zlib().createBrotliDecompress({ chunkSize: CHUNK_BYTES }),
  windowBytes: brotliWindowBytes,
  compress(bytes) {
    const bits = Math.max(MIN_WINDOW_BITS, Math.min(MAX_WINDOW_BITS, Math.ceil(Math.log2(bytes.length + 16))));
    const { brotliCompress, constants } = zlib();
    const params = {
      [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
      [constants.BROTLI_PARAM_LGWIN]: bits,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    };
    return (promisify(brotliCompress) as BrotliCompress)(bytes, { params });
  },
  store: brotliStored,
};

/**
 * Decompresses `bytes`, and reserves memory for the output as it is produced. Resolves with the output; its memory stays
 * reserved (`CallMemory.keepDecompressed`). Stops and rejects as soon as the output exceeds `maxBytes`, memory is
 * used up, or `bytes` turns out to be invalid.
 */
export function decode(
  algorithm: Algorithm,
  bytes: Uint8Array,
  maxBytes: number,
  memory: CallMemory,
): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const decoder = algorithm.createDecoder();
  const chunks: Buffer[] = [];
  let size = 0;
  let reserved = 0;
  function fail(error: unknown): void {
    memory.release(reserved);
    reserved = 0;
    free(chunks);
    decoder.destroy();
    reject(error);
  }
  decoder.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > maxBytes) fail(decompressedTooLarge(maxBytes));
    else if (!memory.tryReserve(chunk.length)) fail(noRoomForMessage());
    else {
      reserved += chunk.length;
      chunks.push(chunk);
    }
  });
  decoder.on("error", (cause) => fail(invalidData(algorithm.name, bytes, cause)));
  decoder.on("end", () => {
    memory.keepDecompressed(reserved);
    resolve(Buffer.concat(chunks, size));
    free(chunks);
  });
  decoder.end(bytes);
  return promise;
}

/** Creates the error of bytes that cannot be decompressed. */
export function invalidData(name: string, bytes: Uint8Array, cause: unknown): ConnectError {
  const message = `decompress ${bytes.length} bytes of ${name}: invalid data`;
  return new ConnectError(message, Code.InvalidArgument, undefined, undefined, cause);
}

/**
 * Empties `chunks`, and frees the memory of full ones, which zlib does not use any more. The garbage collector would
 * free this memory later: the chunks of 200 successive messages of 4 MiB would take 60 MB.
 */
function free(chunks: Buffer[]): void {
  for (const { buffer, byteLength } of chunks.splice(0)) {
    if (byteLength === CHUNK_BYTES && byteLength === buffer.byteLength) (buffer as ArrayBuffer).transfer(0);
  }
}
