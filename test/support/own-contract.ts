/** Opens the page of a server with another contract, and makes copies of the repository. */
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { createRegistry, type DescService } from "@bufbuild/protobuf";
import type { Browser } from "playwright-core";
import type { Routes } from "../../src/server/rpc/options.ts";
import type { Page } from "../../src/server/site/page.ts";
import { type OpenPage, openPage } from "./browser.ts";
import { ROOT, run } from "./command.ts";
import { compileContract } from "./protos.ts";
import { startServer } from "./server.ts";

export interface OwnContract {
  readonly service: DescService;
  readonly files: Page;
}

/** The methods of the service by their names in code, without types of their messages. */
export type Implementation = Readonly<Record<string, (request: never) => unknown>>;

/** Copies all that serves, generates and builds, and the named files too. The copy has the packages of this repository. */
export async function copyRepository(t: TestContext, ...more: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "own-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const name of [
    ...more,
    "src",
    "gen",
    "web",
    "docs",
    "tools",
    "proto",
    "test/buf.gen.yaml",
    "test/proto",
    "package.json",
    "buf.yaml",
    "buf.gen.yaml",
  ]) {
    await cp(join(ROOT, name), join(folder, name), { recursive: true });
  }
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  return folder;
}

/** Compiles a contract of one file. `service` is the full name of the service that the page calls. */
export function compileOwn(t: TestContext, contract: string, service: string, files: Page): OwnContract {
  return { service: compileContract(t, contract).getService(service) as DescService, files };
}

/** Returns a folder with the code that is generated from the contract, and with the packages of this repository. */
export async function generateOwn(t: TestContext, contract: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "own-"));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, "proto"));
  await writeFile(join(folder, "proto/service.proto"), contract);
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  const plugin = { local: ["node", "node_modules/@bufbuild/protoc-gen-es/bin/protoc-gen-es"], out: "gen" };
  const template = {
    version: "v2",
    plugins: [{ ...plugin, opt: ["target=ts", "import_extension=ts", "erasable_syntax=true"] }],
  };
  const { code, stderr } = await run("buf", ["generate", "proto", "--template", JSON.stringify(template)], {
    cwd: folder,
  });
  assert.equal(code, 0, stderr);
  return folder;
}

/** Opens the page of a server that serves the service of the contract. */
export async function openOwn(
  t: TestContext,
  browser: Browser,
  { service, files }: OwnContract,
  implementation: Implementation,
  options = {},
): Promise<OpenPage> {
  const routes: Routes = (router) =>
    void router.service(service, implementation as object, { jsonOptions: { registry: createRegistry(service.file) } });
  const { url } = await startServer(t, { page: files, routes });
  return openPage(t, browser, url, options);
}
