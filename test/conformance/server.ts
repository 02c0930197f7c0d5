/** The server under test: the suite's descriptors and what to leave out as arguments, what to serve on stdin, where it serves on stdout. */
import { readFile } from "node:fs/promises";
import { create, createFileRegistry, type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createServer } from "../../src/server/server.ts";
import { conformanceRoutes } from "./routes.ts";

const [descriptors = "", ...choices] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(descriptors)));
const request = registry.getMessage("connectrpc.conformance.v1.ServerCompatRequest") as DescMessage;
const response = registry.getMessage("connectrpc.conformance.v1.ServerCompatResponse") as DescMessage;

const { messageReceiveLimit } = fromBinary(request, await readSized()) as unknown as { messageReceiveLimit: number };
const server = createServer({
  routes: conformanceRoutes(registry, messageReceiveLimit),
  http2: choices.includes("node") ? "node" : "own",
  lane: !choices.includes("no-lane"),
});
const { address, port } = await server.listen({ host: "127.0.0.1", port: 0 });
writeSized(toBinary(response, create(response, { host: address, port } as never)));
process.once("SIGTERM", () => server.close({ graceMs: 1000 }));

/** A message with its length before it, in four bytes. */
async function readSized(): Promise<Uint8Array> {
  const bytes = Buffer.concat(await process.stdin.toArray());
  return bytes.subarray(4, 4 + bytes.readUInt32BE());
}

function writeSized(bytes: Uint8Array): void {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(bytes.length);
  process.stdout.write(Buffer.concat([size, bytes]));
}
