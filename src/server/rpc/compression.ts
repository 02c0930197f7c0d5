/**
 * gzip and br for Connect's handlers and the fast path, with a bound on what they cost over the whole server: on decoders at
 * work, on the memory of each, and on encoders at work.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Transform } from "node:stream";
import { promisify } from "node:util";
import { brotliCompress, constants, createBrotliDecompress, createGunzip, gzip, gzipSync } from "node:zlib";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { OnLimit } from "../limits/limits.ts";
import { Semaphore } from "../limits/semaphore.ts";
import { brotliStored, brotliWindowBytes } from "./brotli.ts";
import { decompressedTooLarge, messageLimitError, noRoomForMessage } from "./message-errors.ts";
import type { CompressionLimits } from "./options.ts";

/** The call that a message is decompressed for. */
export interface MessageHolder {
  /** Aborts when the call has ended. */
  readonly signal: AbortSignal;
  /** Takes room for bytes; returns false if there is none. */
  hold(bytes: number): boolean;
  release(bytes: number): void;
  /** Takes the room that was held for a message, in place of that for the message before it. */
  keepMessage(bytes: number): void;
}

export interface Compressions {
  readonly accepted: Compression[];
  /**
   * Returns an algorithm that a registration has, with the same bounds. What decompresses gzip and br is ours. Of any
   * other algorithm the memory of decoders is not known, and the number of encoders not bounded: nothing could be sent
   * in the place of their output.
   */
  guard(own: Compression): Compression;
  /** Runs a call: whatever it decompresses is held for its holder. */
  run<T>(holder: MessageHolder, call: () => T): T;
}

interface Algorithm {
  readonly name: string;
  readonly decoder: () => Transform;
  /** Returns the bytes that a decoder allocates beside its output, as the first byte of its input declares. */
  readonly windowBytes: (first: number) => number;
  readonly compress: (bytes: Uint8Array) => Promise<Uint8Array>;
  /** Makes the format of the bytes without the work of compressing them. */
  readonly store: (bytes: Uint8Array) => Uint8Array;
}

/** Larger than zlib's 16 KiB: output takes fewer turns of the thread pool, and no chunk is a part of Buffer's pool. */
const CHUNK_BYTES = 65_536;
/** Encoders' turns that may be waited for, by encoders at work. */
const WAITING_PER_COMPRESSOR = 16;
/** Costs as much CPU as gzip. zlib's default, 11, makes 60 KB of JSON a third smaller for seventy times the CPU. */
const BROTLI_QUALITY = 4;
const MIN_WINDOW_BITS = 16;
const MAX_WINDOW_BITS = 22;

const gzipAsync = promisify(gzip);
const brotliAsync = promisify(brotliCompress) as (bytes: Uint8Array, options: object) => Promise<Uint8Array>;

const GZIP: Algorithm = {
  name: "gzip",
  decoder: () => createGunzip({ chunkSize: CHUNK_BYTES }),
  windowBytes: () => 32_768,
  compress: (bytes) => gzipAsync(bytes),
  store: (bytes) => gzipSync(bytes, { level: 0 }),
};

const BROTLI: Algorithm = {
  name: "br",
  decoder: () => createBrotliDecompress({ chunkSize: CHUNK_BYTES }),
  windowBytes: brotliWindowBytes,
  compress(bytes) {
    const bits = Math.max(MIN_WINDOW_BITS, Math.min(MAX_WINDOW_BITS, Math.ceil(Math.log2(bytes.length + 16))));
    const params = {
      [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
      [constants.BROTLI_PARAM_LGWIN]: bits,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    };
    return brotliAsync(bytes, { params });
  },
  store: brotliStored,
};

/** Makes the algorithms of one server. */
export function createCompressions(limits: CompressionLimits, onLimit: OnLimit): Compressions {
  const holders = new AsyncLocalStorage<MessageHolder>();
  const decoders = new Semaphore(limits.decompressors, limits.queuedDecompressions);
  const encoders = new Semaphore(limits.compressors, limits.compressors * WAITING_PER_COMPRESSOR);

  async function decompress(algorithm: Algorithm, bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
    const [first] = bytes;
    if (first === undefined) return bytes;
    const windowBytes = algorithm.windowBytes(first);
    if (algorithm === BROTLI && windowBytes > limits.brotliWindowBytes) {
      const what = `Brotli window of ${windowBytes} bytes exceeds ${limits.brotliWindowBytes} bytes`;
      throw messageLimitError("brotliWindowBytes", what);
    }
    return inTurn(algorithm.name, async (holder) => {
      if (!holder.hold(windowBytes)) throw noRoomForMessage();
      try {
        return await decode(algorithm, bytes, maxBytes, holder);
      } finally {
        holder.release(windowBytes);
      }
    });
  }

  function decompressByOwn(own: Compression, bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
    return inTurn(own.name, async (holder) => {
      const output = await own.decompress(bytes as Uint8Array<ArrayBuffer>, maxBytes).catch((cause) => {
        throw cause instanceof ConnectError && cause.code !== Code.Internal ? cause : invalidData(own, bytes, cause);
      });
      if (output.length > maxBytes) throw decompressedTooLarge(maxBytes);
      if (!holder.hold(output.length)) throw noRoomForMessage();
      holder.keepMessage(output.length);
      return output;
    });
  }

  /** Decompresses when one of the decoders is free, for the call that runs. */
  async function inTurn(name: string, decompress: (holder: MessageHolder) => Promise<Uint8Array>): Promise<Uint8Array> {
    const holder = holders.getStore();
    if (holder === undefined) throw new Error(`decompress ${name}: for no call`);
    if (decoders.isFull) {
      const what = `decompress a message: ${limits.queuedDecompressions} others wait to be`;
      throw messageLimitError("queuedDecompressions", what, Code.Unavailable);
    }
    await decoders.acquire(holder.signal);
    try {
      return await decompress(holder);
    } finally {
      decoders.release();
    }
  }

  async function compress(algorithm: Pick<Algorithm, "compress" | "store">, bytes: Uint8Array): Promise<Uint8Array> {
    if (encoders.isFull) {
      const { compressors } = limits;
      onLimit("compressors", `send a response uncompressed: ${compressors} are being compressed, and others wait`);
      return algorithm.store(bytes);
    }
    await encoders.acquire();
    try {
      return await algorithm.compress(bytes);
    } finally {
      encoders.release();
    }
  }

  /** The algorithm as Connect has it, with an encoder that may be another for the same format. */
  function bounded(algorithm: Algorithm, encode: Algorithm["compress"] = algorithm.compress): Compression {
    const { name, store } = algorithm;
    return {
      name,
      compress: (bytes) => compress({ compress: encode, store }, bytes) as Promise<Uint8Array<ArrayBuffer>>,
      decompress: (bytes, maxBytes) => decompress(algorithm, bytes, maxBytes) as Promise<Uint8Array<ArrayBuffer>>,
    };
  }

  const accepted = [GZIP, BROTLI].map((algorithm) => bounded(algorithm));
  return {
    accepted,
    guard(own) {
      if (accepted.includes(own)) return own;
      const algorithm = [GZIP, BROTLI].find(({ name }) => name === own.name);
      if (algorithm !== undefined) return bounded(algorithm, (bytes) => own.compress(bytes as Uint8Array<ArrayBuffer>));
      return {
        name: own.name,
        compress: (bytes) => own.compress(bytes),
        decompress: (bytes, max) => decompressByOwn(own, bytes, max) as Promise<Uint8Array<ArrayBuffer>>,
      };
    },
    run: (holder, call) => holders.run(holder, call),
  };
}

/**
 * Frees the chunks that zlib is through with: those that are full. Left to the garbage collector, those of 200 messages of
 * 4 MiB, one after the other, hold 60 MB.
 */
function free(chunks: Buffer[]): void {
  for (const { buffer, byteLength } of chunks.splice(0)) {
    if (byteLength === CHUNK_BYTES && byteLength === buffer.byteLength) (buffer as ArrayBuffer).transfer(0);
  }
}

/** Decodes the bytes, of which the output is held as it comes. Stops as soon as that is over `maxBytes`. */
function decode(algorithm: Algorithm, bytes: Uint8Array, maxBytes: number, holder: MessageHolder): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const decoder = algorithm.decoder();
  const chunks: Buffer[] = [];
  let size = 0;
  let held = 0;
  function fail(error: unknown): void {
    holder.release(held);
    held = 0;
    free(chunks);
    decoder.destroy();
    reject(error);
  }
  decoder.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > maxBytes) fail(decompressedTooLarge(maxBytes));
    else if (!holder.hold(chunk.length)) fail(noRoomForMessage());
    else {
      held += chunk.length;
      chunks.push(chunk);
    }
  });
  decoder.on("error", (cause) => fail(invalidData(algorithm, bytes, cause)));
  decoder.on("end", () => {
    holder.keepMessage(held);
    resolve(Buffer.concat(chunks, size));
    free(chunks);
  });
  decoder.end(bytes);
  return promise;
}

function invalidData({ name }: { readonly name: string }, bytes: Uint8Array, cause: unknown): ConnectError {
  const message = `decompress ${bytes.length} bytes of ${name}: invalid data`;
  return new ConnectError(message, Code.InvalidArgument, undefined, undefined, cause);
}
