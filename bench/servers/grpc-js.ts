/** Serves Add on grpc-js, with protobuf-es as its codec. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type handleUnaryCall, Server, ServerCredentials } from "@grpc/grpc-js";
import {
  type AddRequest,
  AddRequestSchema,
  type AddResponse,
  AddResponseSchema,
} from "../../test/gen/calls/v1/calls_pb.ts";
import { add, PATH, toCallError } from "./add.ts";
import { announce } from "./ready.ts";

const handler: handleUnaryCall<AddRequest, AddResponse> = ({ request }, callback) => {
  try {
    callback(null, add(request));
  } catch (error) {
    const { code, rawMessage: details } = toCallError(error);
    callback({ code: code as number, details });
  }
};

const server = new Server();
server.addService(
  {
    add: {
      path: PATH,
      requestStream: false,
      responseStream: false,
      requestSerialize: (request: AddRequest) => Buffer.from(toBinary(AddRequestSchema, request)),
      requestDeserialize: (bytes: Buffer) => fromBinary(AddRequestSchema, bytes),
      responseSerialize: (response: AddResponse) => Buffer.from(toBinary(AddResponseSchema, response)),
      responseDeserialize: (bytes: Buffer) => fromBinary(AddResponseSchema, bytes),
    },
  },
  { add: handler },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  announce({ port });
});
