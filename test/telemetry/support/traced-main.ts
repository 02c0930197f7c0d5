/** A program with handlers that make spans of their own: `add` without waiting, `record` while it waits, and streams. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { type Code, ConnectError } from "@connectrpc/connect";
import { trace } from "@opentelemetry/api";
import { run } from "../../../src/program/run.ts";
import { AddResponseSchema, CallService, RecordResponseSchema } from "../../gen/calls/v1/calls_pb.ts";
import {
  ChatResponseSchema,
  DownloadResponseSchema,
  StreamService,
  UploadResponseSchema,
} from "../../gen/streams/v1/streams_pb.ts";

const tracer = trace.getTracer("application");

/** Runs `work` in a span, after the event loop has turned. */
async function inSpan<T>(name: string, work: () => Promise<T>): Promise<T> {
  await nextTurn();
  return tracer.startActiveSpan(name, async (span) => {
    try {
      return await work();
    } finally {
      span.end();
    }
  });
}

await run({
  routes(router) {
    router.service(CallService, {
      add({ a, b }) {
        if (b < 0) throw new ConnectError(`code ${-b}`, -b as Code);
        return tracer.startActiveSpan("add", (span) => {
          span.end();
          return create(AddResponseSchema, { sum: a + b });
        });
      },
      record: ({ a, b }) =>
        inSpan("outer", () => inSpan("inner", async () => create(RecordResponseSchema, { sum: a + b }))),
    });
    router.service(StreamService, {
      async *download({ count }) {
        for (let i = 0; i < count; i++) {
          yield await inSpan(`message ${i}`, async () => create(DownloadResponseSchema, { data: new Uint8Array(1) }));
        }
      },
      async upload(requests) {
        let count = 0;
        for await (const _ of requests) await inSpan(`request ${count++}`, nextTurn);
        return create(UploadResponseSchema, { count, bytes: 0n });
      },
      async *chat(requests) {
        let count = 0;
        for await (const { data } of requests) {
          yield await inSpan(`chat ${count++}`, async () => create(ChatResponseSchema, { data }));
        }
      },
    });
  },
});
