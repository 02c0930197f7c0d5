/**
 * Checks sums with Connect's client for Node, in the protocol of the cell. The load generator compares every message of a
 * load with the one that it expects, but that is always the same. The static file of nghttpd is compared with its contents.
 */
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { CallService } from "../test/gen/calls/v1/calls_pb.ts";
import { send } from "../test/support/http.ts";
import { type Cell, STATIC_RESPONSE } from "./cells.ts";
import { PATH } from "./servers/add.ts";

/**
 * Returns a function that makes one call of Add, to a service with a new number each time. The returned function rejects
 * if the response is wrong. It does nothing for other methods, which return what they receive.
 */
export function createCheck({ name, server, wire, method, tls }: Cell, authority: string): () => Promise<void> {
  const baseUrl = `${tls ? "https" : "http"}://${authority}`;
  if (method !== "Add") return async () => {};
  if (server.startsWith("nghttpd")) {
    return async () => {
      const { body } = await send("HTTP/2", baseUrl, { path: PATH, body: "" });
      if (!body.equals(STATIC_RESPONSE)) throw new Error(`check ${name}: the file came as ${body.toString("hex")}`);
    };
  }
  const client: Client<typeof CallService> = createClient(CallService, createTransport(wire, baseUrl));
  let a = 0;
  return async () => {
    a += 1;
    const { sum } = await client.add({ a, b: 1000 });
    if (sum !== a + 1000) throw new Error(`check ${name}: ${a} + 1000 came as ${sum}`);
  };
}

function createTransport({ protocol, codec, http }: Cell["wire"], baseUrl: string): Transport {
  const useBinaryFormat = codec === "proto";
  const nodeOptions = { rejectUnauthorized: false };
  const httpVersion = http === "HTTP/2" ? "2" : "1.1";
  if (protocol === "gRPC") return createGrpcTransport({ baseUrl, useBinaryFormat, nodeOptions });
  if (protocol === "gRPC-Web") return createGrpcWebTransport({ baseUrl, httpVersion, useBinaryFormat, nodeOptions });
  return createConnectTransport({ baseUrl, httpVersion, useBinaryFormat, nodeOptions });
}
