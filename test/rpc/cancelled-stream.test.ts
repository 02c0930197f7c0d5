/** A stream that is cancelled while a message waits for flow-control window. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import { envelope } from "../support/cells.ts";
import { echoRoutes } from "../support/protos.ts";
import { startServer } from "../support/server.ts";

const MESSAGE_LENGTH = 100_000;

test("a handler creates no further message after its client cancels", async (t) => {
  let made = 0;
  const ended = Promise.withResolvers<void>();
  const routes = echoRoutes({
    async *repeat() {
      try {
        for (;;) {
          made++;
          yield { value: "x".repeat(MESSAGE_LENGTH) };
        }
      } finally {
        ended.resolve();
      }
    },
  });
  const { url } = await startServer(t, { routes });
  const session = http2.connect(url, { settings: { initialWindowSize: 0 } });
  t.after(() => session.destroy());
  const stream = session.request({
    ":method": "POST",
    ":path": "/fixture.Echo/Repeat",
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {}); // the stream is cancelled
  stream.end(envelope(toBinary(StringValueSchema, create(StringValueSchema, { value: "" }))));
  await once(stream, "response");
  await sleep(50); // the first message waits, and with node:http2 perhaps a second
  const before = made;
  stream.close(http2.constants.NGHTTP2_CANCEL);
  await ended.promise;
  assert.equal(made, before);
});
