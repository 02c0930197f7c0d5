/** The text of a gRPC error, spelled as gRPC has it. */
import type { Field } from "../http/exchange.ts";

/**
 * Undoes what Connect's handlers percent-encode in grpc-message and gRPC does not: printable ASCII but "%" stands for
 * itself (gRPC over HTTP/2, "Responses"). Clients that decode no more than they must would show the rest as it is.
 */
export function plainGrpcMessage(fields: readonly Field[]): readonly Field[] {
  return fields.map(([name, value]) => [name, name === "grpc-message" ? decodePrintable(value) : value]);
}

function decodePrintable(encoded: string): string {
  return encoded.replace(/%([2-7][0-9A-F])/g, (sequence, hex: string, at: number) => {
    // White space at an end would not be part of the field's value (RFC 9110, 5.5).
    const isAtAnEnd = at === 0 || at === encoded.length - sequence.length;
    if (hex === "25" || hex === "7F" || (hex === "20" && isAtAnEnd)) return sequence;
    return String.fromCharCode(Number.parseInt(hex, 16));
  });
}
