/** The interface between the fast path and a protocol. grpc.ts, grpc-web.ts and connect.ts implement it. */
import type { ConnectError } from "@connectrpc/connect";
import type { Field } from "../../http/exchange.ts";
import type { UnaryCall } from "./call.ts";

export interface Wire {
  /** As HandlerContext has it. */
  readonly protocolName: "grpc" | "grpc-web" | "connect";

  // The request.
  readonly encodingField: string;
  readonly acceptEncodingField: string;
  readonly timeoutField: string;
  readonly parseTimeout: (
    value: string | null,
    maxTimeoutMs: number,
  ) => { timeoutMs?: number; error?: ConnectError | undefined };
  /** The one message of a whole body, uncompressed; undefined where the body is anything else. */
  message(body: Uint8Array): Uint8Array | undefined;

  // The answer.
  /** The trailers of a call that went well, before its handler sets any. */
  readonly trailerFields: readonly Field[];
  /** What the head says of the compression that messages may have. */
  announce(compression: string): Record<string, string>;
  /** Sends the answer, an encoded message. */
  succeed(call: UnaryCall, message: Uint8Array): Promise<void> | undefined;
  /** Sends the error in its place. */
  fail(call: UnaryCall, error: ConnectError): Promise<void> | undefined;
}
