/** Clients of grpc-js: unary calls, quick and slow, and a Watch that must get NOT_SERVING before it ends. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client as Channel, type ChannelOptions, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import {
  HealthCheckRequestSchema,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../gen/health/v1/health_pb.ts";
import { AddRequestSchema, AddResponseSchema } from "../gen/calls/v1/calls_pb.ts";
import { type Client, callOnAndOn, slowness } from "./client.ts";
import { DELAY_HEADER } from "./slow-routes.ts";

/** Longer than one server runs, in a cluster too. */
const WATCH_MS = 300_000;
const NUMBERS = Buffer.from(toBinary(AddRequestSchema, { $typeName: "calls.v1.AddRequest", a: 1, b: 2 }));
const SERVER = Buffer.from(
  toBinary(HealthCheckRequestSchema, { $typeName: "grpc.health.v1.HealthCheckRequest", service: "" }),
);

export const GRPC_JS_CLIENTS: readonly Client[] = [
  unary("gRPC, grpc-js"),
  unary("gRPC, grpc-js, slow calls", true),
  watch(),
];

/** Returns a client of unary calls. `options` are further options of its channel. */
export function unary(name: string, slow = false, options: ChannelOptions = {}): Client {
  return {
    name,
    mustSpan: slow,
    async run(authority, calls, stop) {
      const channel = openChannel(authority, options);
      await callOnAndOn(() => add(channel, slow), calls, stop);
      channel.close();
    },
  };
}

function add(channel: Channel, slow: boolean): Promise<void> {
  const metadata = new Metadata();
  if (slow) metadata.set(DELAY_HEADER, String(slowness()));
  return new Promise((resolve, reject) =>
    channel.makeUnaryRequest(
      "/calls.v1.CallService/Add",
      (bytes: Buffer) => bytes,
      (bytes) => fromBinary(AddResponseSchema, bytes).sum,
      NUMBERS,
      metadata,
      (error, sum) => {
        if (error !== null) reject(new Error(error.message));
        else if (sum !== 3) reject(new Error(`the sum was ${sum}`));
        else resolve();
      },
    ),
  );
}

/** Each call is one Watch. It succeeds if its last status is NOT_SERVING. */
function watch(): Client {
  return {
    name: "Watch, grpc-js",
    note: "each heard NOT_SERVING before its end",
    mustSpan: true,
    async run(authority, calls, stop) {
      const channel = openChannel(authority);
      while (!stop.aborted) {
        await calls.make(async () => {
          const last = await watchToTheEnd(channel, stop);
          if (last !== ServingStatus.NOT_SERVING && !stop.aborted) {
            throw new Error(`the last status before the end was ${last ?? "none"}`);
          }
        }, WATCH_MS);
      }
      channel.close();
    },
  };
}

/** Returns the last status before the end of the stream. */
function watchToTheEnd(channel: Channel, stop: AbortSignal): Promise<ServingStatus | undefined> {
  const stream = channel.makeServerStreamRequest(
    "/grpc.health.v1.Health/Watch",
    (bytes: Buffer) => bytes,
    (bytes) => fromBinary(HealthCheckResponseSchema, bytes).status,
    SERVER,
  );
  const cancel = (): void => stream.cancel();
  stop.addEventListener("abort", cancel);
  let last: ServingStatus | undefined;
  stream.on("data", (status: ServingStatus) => {
    last = status;
  });
  return new Promise((resolve) => {
    // The server ends the stream as unavailable, which is an error event.
    stream.on("error", (_: ServiceError) => {});
    stream.on("close", () => {
      stop.removeEventListener("abort", cancel);
      resolve(last);
    });
  });
}

/** Creates a channel with its own connections. By default, grpc-js shares connections among channels. */
function openChannel(authority: string, options: ChannelOptions = {}): Channel {
  return new Channel(authority, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1, ...options });
}
