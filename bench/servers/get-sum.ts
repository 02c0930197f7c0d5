/** GetSum from bytes to bytes, for servers without a Connect library: protobuf-es around the service's own function. */
import { fromBinary, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { DataSchema, SumSchema } from "../../gen/service_pb.ts";
import { getSum } from "../../src/sum.ts";

export const PATH = "/test.Test/GetSum";

/** The implementation in each codec, from the encoded request message to the encoded response message. */
export const CODECS = {
  proto: (message: Buffer) => toBinary(SumSchema, getSum(fromBinary(DataSchema, message))),
  json: (message: Buffer) =>
    Buffer.from(toJsonString(SumSchema, getSum(fromJsonString(DataSchema, message.toString())))),
};

/** Returns a ConnectError unchanged. Any other error means that the message cannot be decoded. */
export function toCallError(error: unknown): ConnectError {
  return error instanceof ConnectError
    ? error
    : new ConnectError("the message cannot be decoded", Code.InvalidArgument);
}

/** Returns the error as JSON of Connect's unary protocol, without details. */
export function errorJson({ code, rawMessage: message }: ConnectError): string {
  return JSON.stringify({ code: codeToString(code), message });
}
