/** Compression for Connect's handlers and the fast path, with server-wide limits on decoders and encoders in use. */
import { AsyncLocalStorage } from "node:async_hooks";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { OnLimit } from "../limits/limits.ts";
import { Semaphore } from "../limits/semaphore.ts";
import { decompressedTooLarge, messageLimitError, noRoomForMessage } from "./call-errors.ts";
import type { CallMemory } from "./call-memory.ts";
import { type Algorithm, BROTLI, decode, GZIP, invalidData } from "./compression-algorithms.ts";
import type { CompressionLimits } from "./options.ts";

/** Responses that may wait in the shared queue, for each encoder that may run (the limit `compressors`). */
const QUEUED_PER_COMPRESSOR = 16;

const ALGORITHMS = [GZIP, BROTLI];

/** The compression algorithms of one server. */
export class Compressions {
  /** gzip and br, in the order of preference. */
  readonly accepted: Compression[] = ALGORITHMS.map((algorithm) => this.#bounded(algorithm));
  readonly #limits: CompressionLimits;
  readonly #onLimit: OnLimit;
  readonly #calls = new AsyncLocalStorage<CallMemory>();
  readonly #decoders: Semaphore;
  readonly #encoders: Semaphore;

  constructor(limits: CompressionLimits, onLimit: OnLimit) {
    this.#limits = limits;
    this.#onLimit = onLimit;
    this.#decoders = new Semaphore(limits.decompressors, limits.queuedDecompressions);
    this.#encoders = new Semaphore(limits.compressors, limits.compressors * QUEUED_PER_COMPRESSOR);
  }

  /**
   * Returns `own`, an algorithm of a registration, with the server's limits. For gzip and br, the server's decoders
   * replace the decoder of `own`. For other algorithms, memory is reserved only for the decoder's output. Their
   * encoders are not limited, because the server cannot send uncompressed data in their formats.
   */
  guard(own: Compression): Compression {
    if (this.accepted.includes(own)) return own;
    const algorithm = ALGORITHMS.find(({ name }) => name === own.name);
    if (algorithm !== undefined) {
      return this.#bounded(algorithm, (bytes) => own.compress(bytes as Uint8Array<ArrayBuffer>));
    }
    return {
      name: own.name,
      compress: (bytes) => own.compress(bytes),
      decompress: (bytes, maxBytes) => this.#decompressByOwn(own, bytes, maxBytes) as Promise<Uint8Array<ArrayBuffer>>,
    };
  }

  /**
   * Calls `run` and returns its result. Messages that `run` decompresses, also asynchronously, are counted in `memory`.
   */
  run<T>(memory: CallMemory, run: () => T): T {
    return this.#calls.run(memory, run);
  }

  /** Returns `algorithm` for Connect, with the server's limits. `encode` may be another encoder for the same format. */
  #bounded(algorithm: Algorithm, encode: Algorithm["compress"] = algorithm.compress): Compression {
    const { name, store } = algorithm;
    return {
      name,
      compress: (bytes) => this.#compress({ compress: encode, store }, bytes) as Promise<Uint8Array<ArrayBuffer>>,
      decompress: (bytes, maxBytes) => this.#decompress(algorithm, bytes, maxBytes) as Promise<Uint8Array<ArrayBuffer>>,
    };
  }

  async #compress(algorithm: Pick<Algorithm, "compress" | "store">, bytes: Uint8Array): Promise<Uint8Array> {
    if (this.#encoders.isFull) {
      const { compressors } = this.#limits;
      this.#onLimit(
        "compressors",
        `send a response uncompressed: ${compressors} are being compressed, and others wait`,
      );
      return algorithm.store(bytes);
    }
    await this.#encoders.acquire();
    try {
      return await algorithm.compress(bytes);
    } finally {
      this.#encoders.release();
    }
  }

  async #decompress(algorithm: Algorithm, bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
    const [first] = bytes;
    if (first === undefined) return bytes;
    const windowBytes = algorithm.windowBytes(first);
    if (algorithm === BROTLI && windowBytes > this.#limits.brotliWindowBytes) {
      const text = `Brotli window of ${windowBytes} bytes exceeds ${this.#limits.brotliWindowBytes} bytes`;
      throw messageLimitError("brotliWindowBytes", text);
    }
    return this.#withDecoder(algorithm.name, async (memory) => {
      if (!memory.tryReserve(windowBytes)) throw noRoomForMessage();
      try {
        return await decode(algorithm, bytes, maxBytes, memory);
      } finally {
        memory.release(windowBytes);
      }
    });
  }

  #decompressByOwn(own: Compression, bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
    return this.#withDecoder(own.name, async (memory) => {
      const output = await own.decompress(bytes as Uint8Array<ArrayBuffer>, maxBytes).catch((cause) => {
        throw cause instanceof ConnectError && cause.code !== Code.Internal
          ? cause
          : invalidData(own.name, bytes, cause);
      });
      if (output.length > maxBytes) throw decompressedTooLarge(maxBytes);
      if (!memory.tryReserve(output.length)) throw noRoomForMessage();
      memory.keepDecompressed(output.length);
      return output;
    });
  }

  /**
   * Runs `decompress` with the memory of the current call, as soon as a decoder is free. Rejects if too many messages
   * wait, or if the call ends while its message waits.
   */
  async #withDecoder(name: string, decompress: (memory: CallMemory) => Promise<Uint8Array>): Promise<Uint8Array> {
    const memory = this.#calls.getStore();
    if (memory === undefined) throw new Error(`decompress ${name}: outside of a call`);
    if (this.#decoders.isFull) {
      const text = `decompress a message: ${this.#limits.queuedDecompressions} others are waiting`;
      throw messageLimitError("queuedDecompressions", text, Code.Unavailable);
    }
    await this.#decoders.acquire(memory.signal);
    try {
      return await decompress(memory);
    } finally {
      this.#decoders.release();
    }
  }
}
