/** Attacks by clients that request responses and do not read them. */
import { create, toBinary } from "@bufbuild/protobuf";
import { ServerReflectionRequestSchema } from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { SettingId } from "../../../src/server/http2/frames/types.ts";
import { data, HANDSHAKE, settings } from "../../http2/support/frames.ts";
import { envelope } from "../../support/cells.ts";
import type { Attack, Target } from "../support/attack.ts";
import type { Peer } from "../support/peer.ts";
import { call } from "./http1.ts";
import { get, post } from "./http2.ts";

const off = Infinity;
const RESPONSE_BYTES = 1_000_000;
const LIMIT = 8 << 20;
/** The limit, and the memory of connections and streams. */
const FLAT_BYTES = LIMIT + (4 << 20);

/** Requests `count` large responses, with flow-control windows of 0. */
export async function askWithClosedWindows({ connect }: Pick<Target, "connect">, count: number): Promise<Peer> {
  const requests = Array.from({ length: count }, (_, i) => get(2 * i + 1, `large ${RESPONSE_BYTES}`));
  return connect(HANDSHAKE, settings([SettingId.InitialWindowSize, 0]), ...requests);
}

/** Requests `count` streams of large messages, with windows of 0. */
export async function streamWithClosedWindows({ connect }: Pick<Target, "connect">, count: number): Promise<Peer> {
  const body = envelope(Buffer.from(`"100 times large ${RESPONSE_BYTES}"`));
  const requests = Array.from({ length: count }, (_, i) => {
    const id = 2 * i + 1;
    return Buffer.concat([post(id, "application/grpc+json", "/fixture.Echo/Repeat"), data(id, body)]);
  });
  return connect(HANDSHAKE, settings([SettingId.InitialWindowSize, 0]), ...requests);
}

/** Requests `count` large responses in a pipeline, and stops reading at the first one. */
export async function askInPipeline({ connect }: Pick<Target, "connect">, count: number): Promise<Peer> {
  const peer = await connect();
  peer.send(call(`"large ${RESPONSE_BYTES}"`).repeat(count));
  await peer.sawOrClosed("200");
  peer.socket.pause();
  return peer;
}

/**
 * Opens `count` reflection streams with windows of 0. Each asks for a name of `length` characters, which an error
 * quotes as six characters each.
 */
export async function askForNames({ connect }: Pick<Target, "connect">, count: number, length: number): Promise<Peer> {
  const request = create(ServerReflectionRequestSchema, {
    messageRequest: { case: "fileContainingSymbol", value: "\u0001".repeat(length) },
  });
  const message = envelope(Buffer.from(toBinary(ServerReflectionRequestSchema, request)));
  const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
  const parts = Array.from({ length: count }, (_, i) => {
    const id = 2 * i + 1;
    const frames = Array.from({ length: Math.ceil(message.length / 16_384) }, (_, part) =>
      data(id, message.subarray(part * 16_384, (part + 1) * 16_384), 0),
    );
    return Buffer.concat([post(id, "application/grpc", path), ...frames]);
  });
  return connect(HANDSHAKE, settings([SettingId.InitialWindowSize, 0]), ...parts);
}

async function weighed({ held }: Target, run: () => Promise<string>): Promise<string> {
  let seen = "";
  const bytes = await held(async () => {
    seen = await run();
  });
  return `${bytes < FLAT_BYTES ? "flat" : "grown"}, ${seen}`;
}

export const QUEUED_ATTACKS: readonly Attack[] = [
  {
    name: "responses to one connection, whose windows are 0",
    http: "2",
    limits: { queuedBytesPerConnection: LIMIT },
    off: { queuedBytesPerConnection: off },
    run: (target) =>
      weighed(target, async () => (await askWithClosedWindows(target, 100)).endingWith("RST_STREAM ENHANCE_YOUR_CALM")),
    cut: /^flat, .*RST_STREAM ENHANCE_YOUR_CALM/,
    uncut: /^grown, (200, )?open$/,
  },
  {
    name: "responses to many connections, whose windows are 0",
    http: "2",
    limits: { queuedBytes: LIMIT },
    off: { queuedBytes: off },
    run: (target) =>
      weighed(target, async () => {
        const peers = await Promise.all(Array.from({ length: 20 }, () => askWithClosedWindows(target, 5)));
        const seen = await Promise.all(peers.map((peer) => peer.endingWith("RST_STREAM ENHANCE_YOUR_CALM")));
        return seen.sort().at(-1) as string;
      }),
    cut: /^flat, .*RST_STREAM ENHANCE_YOUR_CALM/,
    uncut: /^grown, (200, )?open$/,
  },
  {
    name: "responses to many connections, none of which reads",
    http: "1.1",
    limits: { queuedBytes: LIMIT },
    off: { queuedBytes: off },
    run: (target) =>
      weighed(target, async () => {
        const peers = await Promise.all(Array.from({ length: 10 }, () => askInPipeline(target, 10)));
        return Promise.race(peers.map((peer) => target.dropped(peer)));
      }),
    cut: /^flat, dropped$/,
    uncut: /^grown, held$/,
  },
  {
    name: "long names that reflection is asked for, with windows of 0",
    http: "2",
    off: undefined,
    run: (target) =>
      weighed(target, async () => {
        const peers = await Promise.all(Array.from({ length: 5 }, () => askForNames(target, 100, 60_000)));
        await Promise.all(peers.map((peer) => peer.saw("200", 100)));
        return "answered";
      }),
    cut: /^flat, answered$/,
  },
];
