/** Serves GetSum on grpc-js, with protobuf-es as its codec. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type handleUnaryCall, Server, ServerCredentials } from "@grpc/grpc-js";
import { type Data, DataSchema, type Sum, SumSchema } from "../../gen/service_pb.ts";
import { getSum } from "../../src/sum.ts";
import { PATH, toCallError } from "./get-sum.ts";
import { announce } from "./ready.ts";

const handler: handleUnaryCall<Data, Sum> = ({ request }, callback) => {
  try {
    callback(null, getSum(request));
  } catch (error) {
    const { code, rawMessage: details } = toCallError(error);
    callback({ code: code as number, details });
  }
};

const server = new Server();
server.addService(
  {
    getSum: {
      path: PATH,
      requestStream: false,
      responseStream: false,
      requestSerialize: (data: Data) => Buffer.from(toBinary(DataSchema, data)),
      requestDeserialize: (bytes: Buffer) => fromBinary(DataSchema, bytes),
      responseSerialize: (sum: Sum) => Buffer.from(toBinary(SumSchema, sum)),
      responseDeserialize: (bytes: Buffer) => fromBinary(SumSchema, bytes),
    },
  },
  { getSum: handler },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  announce({ port });
});
