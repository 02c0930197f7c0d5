/** Protos compiled by buf: the fixtures as descriptors, and what the compiler makes of any folder of protos. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import {
  createFileRegistry,
  type DescMessage,
  type DescService,
  type FileRegistry,
  fromBinary,
} from "@bufbuild/protobuf";
import type { GenService } from "@bufbuild/protobuf/codegenv2";
import { type FileDescriptorSet, FileDescriptorSetSchema, type StringValueSchema } from "@bufbuild/protobuf/wkt";
import type { ConnectRouterOptions, ServiceImpl } from "@connectrpc/connect";
import type { Routes } from "../../src/server/rpc/options.ts";

const ROOT = join(import.meta.dirname, "../..");
const BUF = join(ROOT, "node_modules/@bufbuild/buf/bin/buf");

/** Compiles the protos of a folder, which is named from the root of the repository, or of the machine. */
export function compile(folder: string): FileDescriptorSet {
  const args = [BUF, "build", folder, "--exclude-source-info", "--as-file-descriptor-set", "-o", "-#format=binpb"];
  return fromBinary(FileDescriptorSetSchema, execFileSync(process.execPath, args, { cwd: ROOT }));
}

/** What the compiler makes of one file, which is service.proto. */
export function compileContract(t: TestContext, contract: string): FileRegistry {
  const folder = mkdtempSync(join(tmpdir(), "contract-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "service.proto"), contract);
  return createFileRegistry(compile(folder));
}

const fixtures = createFileRegistry(compile("test/fixtures/protos"));

/** A service with one of every kind of symbol around it. */
export const Kinds = fixtures.getService("fixture.Kinds") as DescService;

type Texts = { input: typeof StringValueSchema; output: typeof StringValueSchema };

/** A message of one of every kind of symbol. */
export const Outer = fixtures.getMessage("fixture.Outer") as DescMessage;

/** A message with a field of every type, alone, in a list and in a map. */
export const Scalars = fixtures.getMessage("fixture.Scalars") as DescMessage;

/** A service with one method of every kind, all from texts to texts; Say has no side effects. */
export const Echo = fixtures.getService("fixture.Echo") as GenService<{
  say: { methodKind: "unary" } & Texts;
  repeat: { methodKind: "server_streaming" } & Texts;
  join: { methodKind: "client_streaming" } & Texts;
  chat: { methodKind: "bidi_streaming" } & Texts;
}>;

/** Routes of the Echo service alone, with the given methods. */
export function echoRoutes(
  implementation: Partial<ServiceImpl<typeof Echo>>,
  options?: Partial<ConnectRouterOptions>,
): Routes {
  return (router) => void router.service(Echo, implementation, options);
}
