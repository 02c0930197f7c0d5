/** Add and Echo from bytes to bytes, for servers without a Connect library: protobuf-es around the tests' services. */
import { create, fromBinary, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import {
  type AddRequest,
  AddRequestSchema,
  type AddResponse,
  AddResponseSchema,
} from "../../test/gen/calls/v1/calls_pb.ts";
import { EchoRequestSchema, EchoResponseSchema } from "../../test/gen/streams/v1/streams_pb.ts";
import { addInt32 } from "../../test/support/call-service.ts";

export const PATH = "/calls.v1.CallService/Add";
export const ECHO_PATH = "/streams.v1.StreamService/Echo";

/** The implementation in each codec, from the encoded request message to the encoded response message. */
export const CODECS = {
  proto: (message: Buffer) => toBinary(AddResponseSchema, add(fromBinary(AddRequestSchema, message))),
  json: (message: Buffer) =>
    Buffer.from(toJsonString(AddResponseSchema, add(fromJsonString(AddRequestSchema, message.toString())))),
};

/** Echo in each codec. */
export const ECHO_CODECS: typeof CODECS = {
  proto(message) {
    const { data } = fromBinary(EchoRequestSchema, message);
    return toBinary(EchoResponseSchema, create(EchoResponseSchema, { data }));
  },
  json(message) {
    const { data } = fromJsonString(EchoRequestSchema, message.toString());
    return Buffer.from(toJsonString(EchoResponseSchema, create(EchoResponseSchema, { data })));
  },
};

export function add(request: AddRequest): AddResponse {
  return create(AddResponseSchema, { sum: addInt32(request) });
}

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
