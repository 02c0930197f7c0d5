/** Percent-encoding of grpc-message. */
import type { Field } from "../http/exchange.ts";

/**
 * Returns `fields` with a grpc-message that percent-encodes only the characters that must be encoded. gRPC sends
 * printable ASCII except "%" unencoded (gRPC over HTTP/2, "Responses"). Connect's handlers encode more characters,
 * which some clients do not decode.
 */
export function plainGrpcMessage(fields: readonly Field[]): readonly Field[] {
  return fields.map(([name, value]) => [name, name === "grpc-message" ? decodePrintable(value) : value]);
}

function decodePrintable(encoded: string): string {
  return encoded.replace(/%([2-7][0-9A-F])/g, (sequence, hex: string, at: number) => {
    // A space at either end stays encoded, because recipients remove unencoded spaces there (RFC 9110, 5.5).
    const isAtAnEnd = at === 0 || at === encoded.length - sequence.length;
    if (hex === "25" || hex === "7F" || (hex === "20" && isAtAnEnd)) return sequence;
    return String.fromCharCode(Number.parseInt(hex, 16));
  });
}
