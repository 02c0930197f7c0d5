/** The routes of the service with a method of each kind, for messages of any size. */
import { create } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import {
  ChatResponseSchema,
  DownloadResponseSchema,
  EchoResponseSchema,
  StreamService,
  UploadResponseSchema,
} from "../gen/streams/v1/streams_pb.ts";

/** Registers the service on a router of any Connect server. */
export function streamRoutes(router: ConnectRouter): void {
  router.service(StreamService, {
    echo: ({ data }) => create(EchoResponseSchema, { data }),
    // Yields without waiting, and yields the same message each time: the cost is the server's, not the handler's.
    async *download({ count, bytes }) {
      const message = create(DownloadResponseSchema, { data: new Uint8Array(bytes) });
      for (let i = 0; i < count; i++) yield message;
    },
    async upload(requests) {
      let count = 0;
      let bytes = 0;
      for await (const { data } of requests) {
        count += 1;
        bytes += data.length;
      }
      return create(UploadResponseSchema, { count, bytes: BigInt(bytes) });
    },
    async *chat(requests) {
      for await (const { data } of requests) yield create(ChatResponseSchema, { data });
    },
  });
}
