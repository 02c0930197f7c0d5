/**
 * The server under test. Its arguments are the suite's descriptors and choices. Reads its settings on stdin, and writes
 * its address on stdout.
 */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { create, createFileRegistry, type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { nodeAdapter } from "../../../src/server/adapters/node-adapter.ts";
import { createServer } from "../../../src/server/server.ts";
import { conformanceRoutes } from "./routes.ts";

const [descriptors = "", ...choices] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(descriptors)));
const request = registry.getMessage("connectrpc.conformance.v1.ServerCompatRequest") as DescMessage;
const response = registry.getMessage("connectrpc.conformance.v1.ServerCompatResponse") as DescMessage;

/** The used fields of the suite's request; certificates and keys are in PEM. */
interface Request {
  /** The number of the enum HTTPVersion, which is that of the major version. */
  readonly httpVersion: number;
  readonly messageReceiveLimit: number;
  readonly useTls: boolean;
  readonly serverCreds: { readonly cert: Uint8Array; readonly key: Uint8Array } | undefined;
  readonly clientTlsCert: Uint8Array;
}

const { httpVersion, messageReceiveLimit, useTls, serverCreds, clientTlsCert } = fromBinary(
  request,
  await readSized(),
) as unknown as Request;
const clientCa = clientTlsCert.length > 0 ? text(clientTlsCert) : undefined;
const tls = useTls && serverCreds ? { cert: text(serverCreds.cert), key: text(serverCreds.key), clientCa } : undefined;
const options = {
  routes: conformanceRoutes(registry, messageReceiveLimit),
  fastPath: !choices.includes("no-fast-path"),
};
const { address, port } = await (choices.includes("adapter") ? listenOnNode() : listen());
writeSized(toBinary(response, create(response, { host: address, port, pemCert: tls && serverCreds?.cert } as never)));

async function listen(): Promise<AddressInfo> {
  const server = createServer({ ...options, tls, http2: choices.includes("node") ? "node" : "built-in" });
  process.once("SIGTERM", () => server.close({ graceMs: 1000 }));
  return server.listen({ host: "127.0.0.1", port: 0 });
}

/** Listens on a server of Node's with `nodeAdapter`. The process ends at SIGTERM by default. */
async function listenOnNode(): Promise<AddressInfo> {
  const adapter = nodeAdapter(options);
  const clients = { ca: clientCa ?? "", requestCert: clientCa !== undefined, allowHTTP1: true };
  const plain = httpVersion === 2 ? http2.createServer(adapter) : http.createServer(adapter);
  const server = tls === undefined ? plain : http2.createSecureServer({ ...tls, ...clients }, adapter);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server.address() as AddressInfo;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

/** Returns the message after its length in four bytes. */
async function readSized(): Promise<Uint8Array> {
  const bytes = Buffer.concat(await process.stdin.toArray());
  return bytes.subarray(4, 4 + bytes.readUInt32BE());
}

function writeSized(bytes: Uint8Array): void {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(bytes.length);
  process.stdout.write(Buffer.concat([size, bytes]));
}
