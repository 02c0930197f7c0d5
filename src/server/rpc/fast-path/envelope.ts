/** A message with five bytes before it, as gRPC and gRPC-Web have it: flags and length. */
import { type Compression, compressedFlag } from "@connectrpc/connect/protocol";

const PREFIX = 5;

/** The message of a body that is one envelope, whole and without flags; undefined where it is anything else. */
export function unenvelope(body: Uint8Array): Uint8Array | undefined {
  if (body.length < PREFIX || body[0] !== 0) return undefined;
  const length = new DataView(body.buffer, body.byteOffset).getUint32(1);
  return length === body.length - PREFIX ? body.subarray(PREFIX) : undefined;
}

/** Returns the envelope of a message, or a promise of it if it is compressed: from `minBytes` on. */
export function envelope(
  message: Uint8Array,
  compression: Compression | null,
  minBytes: number,
  flags = 0,
): Uint8Array | Promise<Uint8Array> {
  if (compression === null || message.length < minBytes) return prefix(message, flags);
  return compression
    .compress(message as Uint8Array<ArrayBuffer>)
    .then((bytes) => prefix(bytes, flags | compressedFlag));
}

/** Returns the envelope of bytes as they are, with the given flags. */
export function prefix(bytes: Uint8Array, flags: number): Uint8Array {
  const length = bytes.length;
  const enveloped = Buffer.allocUnsafe(PREFIX + length);
  enveloped[0] = flags;
  enveloped.writeUInt32BE(length, 1);
  enveloped.set(bytes, PREFIX);
  return enveloped;
}
