/** Reads sockets into one buffer, so that received bytes cost no allocation. */
import { Socket } from "node:net";

const BUFFER_BYTES = 65_536;

/**
 * Node's own fields for the option `onread` of `net.Socket`. Node offers the option for sockets that connect, but not for
 * those that a server accepts.
 */
const [BUFFER, CALLBACK] = ["kBuffer", "kBufferCb"].map((name) =>
  Object.getOwnPropertySymbols(new Socket()).find(({ description }) => description === name),
);

interface Handle {
  readonly constructor: { readonly name: string };
  /** The handle below TLS. */
  readonly _parent?: Handle | null;
  useUserBuffer?(buffer: Uint8Array): void;
}

interface Private {
  readonly _handle?: Handle | null;
  [field: symbol]: unknown;
}

/**
 * A buffer that many sockets are read into. Node calls back for each chunk before it reads the next one from any socket,
 * so one buffer is enough.
 */
export class ReadBuffer {
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);

  /**
   * Makes Node pass received bytes to `onChunk`, in place of "data" events. A chunk changes after `onChunk` has returned.
   * Does nothing if `socket` is not a connection of the system's, or if this version of Node has other fields. Bytes that
   * were received before still cause "data" events.
   */
  attach(socket: Socket, onChunk: (chunk: Buffer) => void): void {
    const fields = socket as unknown as Private;
    const { _handle: handle } = fields;
    if (BUFFER === undefined || CALLBACK === undefined || handle?.useUserBuffer === undefined) return;
    // The chunks of another stream, such as one in memory, may come while the handler of a chunk writes to that stream.
    const { name } = (handle._parent ?? handle).constructor;
    if (name !== "TCP" && name !== "Pipe") return;
    const buffer = this.#buffer;
    fields[BUFFER] = buffer;
    fields[CALLBACK] = (bytes: number): void => onChunk(buffer.subarray(0, bytes));
    handle.useUserBuffer(buffer);
  }
}
