/** Compiles protos with buf, and has the descriptors of the fixtures. */
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

/** Compiles the protos of a folder. The path is absolute, or relative to the root of the repository. */
export function compile(folder: string): FileDescriptorSet {
  const args = [BUF, "build", folder, "--exclude-source-info", "--as-file-descriptor-set", "-o", "-#format=binpb"];
  return fromBinary(FileDescriptorSetSchema, execFileSync(process.execPath, args, { cwd: ROOT }));
}

/** Compiles one file as service.proto. */
export function compileContract(t: TestContext, contract: string): FileRegistry {
  const folder = mkdtempSync(join(tmpdir(), "contract-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "service.proto"), contract);
  return createFileRegistry(compile(folder));
}

const fixtures = createFileRegistry(compile("test/fixtures/protos"));

/** A service. Its file has every other kind of symbol. */
export const Kinds = fixtures.getService("fixture.Kinds") as DescService;

type Texts = { input: typeof StringValueSchema; output: typeof StringValueSchema };

/** A message. Every kind of symbol that a message can contain is in it. */
export const Outer = fixtures.getMessage("fixture.Outer") as DescMessage;

/** A message with fields of every type: singular, list and map. */
export const Scalars = fixtures.getMessage("fixture.Scalars") as DescMessage;

/** A service with one method of every kind. Requests and responses are StringValue, and Say has no side effects. */
export const Echo = fixtures.getService("fixture.Echo") as GenService<{
  say: { methodKind: "unary" } & Texts;
  repeat: { methodKind: "server_streaming" } & Texts;
  join: { methodKind: "client_streaming" } & Texts;
  chat: { methodKind: "bidi_streaming" } & Texts;
}>;

/** Returns routes of the Echo service with the given methods. */
export function echoRoutes(
  implementation: Partial<ServiceImpl<typeof Echo>>,
  options?: Partial<ConnectRouterOptions>,
): Routes {
  return (router) => void router.service(Echo, implementation, options);
}
