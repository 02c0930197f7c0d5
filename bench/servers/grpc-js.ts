/** Serves the services of the tests on grpc-js, with protobuf-es as its codec. */
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
} from "@grpc/grpc-js";
import {
  type AddRequest,
  AddRequestSchema,
  type AddResponse,
  AddResponseSchema,
} from "../../test/gen/calls/v1/calls_pb.ts";
import {
  type ChatRequest,
  ChatRequestSchema,
  type ChatResponse,
  ChatResponseSchema,
  type DownloadRequest,
  DownloadRequestSchema,
  type DownloadResponse,
  DownloadResponseSchema,
  type EchoRequest,
  EchoRequestSchema,
  type EchoResponse,
  EchoResponseSchema,
  type UploadRequest,
  UploadRequestSchema,
  type UploadResponse,
  UploadResponseSchema,
} from "../../test/gen/streams/v1/streams_pb.ts";
import { add, ECHO_PATH, PATH, toCallError } from "./add.ts";
import { announce } from "./ready.ts";

const addHandler: handleUnaryCall<AddRequest, AddResponse> = ({ request }, callback) => {
  try {
    callback(null, add(request));
  } catch (error) {
    const { code, rawMessage: details } = toCallError(error);
    callback({ code: code as number, details });
  }
};

const echo: handleUnaryCall<EchoRequest, EchoResponse> = ({ request: { data } }, callback) => {
  callback(null, create(EchoResponseSchema, { data }));
};

const download: handleServerStreamingCall<DownloadRequest, DownloadResponse> = (call) => {
  const message = create(DownloadResponseSchema, { data: new Uint8Array(call.request.bytes) });
  let left = call.request.count;
  const write = () => {
    while (left > 0) {
      left -= 1;
      if (!call.write(message)) return void call.once("drain", write);
    }
    call.end();
  };
  write();
};

const upload: handleClientStreamingCall<UploadRequest, UploadResponse> = (call, callback) => {
  let count = 0;
  let bytes = 0;
  call.on("data", ({ data }: UploadRequest) => {
    count += 1;
    bytes += data.length;
  });
  call.on("end", () => callback(null, create(UploadResponseSchema, { count, bytes: BigInt(bytes) })));
};

const chat: handleBidiStreamingCall<ChatRequest, ChatResponse> = (call) => {
  call.on("data", ({ data }: ChatRequest) => call.write(create(ChatResponseSchema, { data })));
  call.on("end", () => call.end());
};

function method<I extends DescMessage, O extends DescMessage>(path: string, input: I, output: O, kind = "") {
  return {
    path,
    requestStream: kind === "upload" || kind === "chat",
    responseStream: kind === "download" || kind === "chat",
    requestSerialize: (message: MessageShape<I>) => Buffer.from(toBinary(input, message)),
    requestDeserialize: (bytes: Buffer) => fromBinary(input, bytes),
    responseSerialize: (message: MessageShape<O>) => Buffer.from(toBinary(output, message)),
    responseDeserialize: (bytes: Buffer) => fromBinary(output, bytes),
  };
}

const STREAMS = ECHO_PATH.replace("Echo", "");
const server = new Server();
server.addService(
  {
    add: method(PATH, AddRequestSchema, AddResponseSchema),
    echo: method(ECHO_PATH, EchoRequestSchema, EchoResponseSchema),
    download: method(`${STREAMS}Download`, DownloadRequestSchema, DownloadResponseSchema, "download"),
    upload: method(`${STREAMS}Upload`, UploadRequestSchema, UploadResponseSchema, "upload"),
    chat: method(`${STREAMS}Chat`, ChatRequestSchema, ChatResponseSchema, "chat"),
  },
  { add: addHandler, echo, download, upload, chat },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  announce({ port });
});
