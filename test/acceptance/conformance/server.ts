/**
 * The server under test. Its arguments are the suite's descriptors and choices. Reads its settings on stdin, and writes
 * its address on stdout.
 */
import { readFile } from "node:fs/promises";
import { create, createFileRegistry, type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createServer } from "../../../src/server/server.ts";
import { conformanceRoutes } from "./routes.ts";

const [descriptors = "", ...choices] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(descriptors)));
const request = registry.getMessage("connectrpc.conformance.v1.ServerCompatRequest") as DescMessage;
const response = registry.getMessage("connectrpc.conformance.v1.ServerCompatResponse") as DescMessage;

/** The used fields of the suite's request; certificates and keys are in PEM. */
interface Request {
  readonly messageReceiveLimit: number;
  readonly useTls: boolean;
  readonly serverCreds: { readonly cert: Uint8Array; readonly key: Uint8Array } | undefined;
  readonly clientTlsCert: Uint8Array;
}

const { messageReceiveLimit, useTls, serverCreds, clientTlsCert } = fromBinary(
  request,
  await readSized(),
) as unknown as Request;
const clientCa = clientTlsCert.length > 0 ? text(clientTlsCert) : undefined;
const tls = useTls && serverCreds ? { cert: text(serverCreds.cert), key: text(serverCreds.key), clientCa } : undefined;
const server = createServer({
  tls,
  routes: conformanceRoutes(registry, messageReceiveLimit),
  http2: choices.includes("node") ? "node" : "built-in",
  fastPath: !choices.includes("no-fast-path"),
});
const { address, port } = await server.listen({ host: "127.0.0.1", port: 0 });
writeSized(toBinary(response, create(response, { host: address, port, pemCert: tls && serverCreds?.cert } as never)));
process.once("SIGTERM", () => server.close({ graceMs: 1000 }));

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
