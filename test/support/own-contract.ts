/** Opens the page of a server with another contract, and makes copies of the repository. */
import { cp, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { createRegistry, type DescService } from "@bufbuild/protobuf";
import type { Browser } from "playwright-core";
import type { Routes } from "../../src/server/rpc/options.ts";
import type { Page } from "../../src/server/site/page.ts";
import { type OpenPage, openPage } from "./browser.ts";
import { ROOT } from "./command.ts";
import { makeWorkspace } from "./programs.ts";
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

/** Returns a folder for programs that call the service of the contract (programs.ts). */
export async function generateOwn(t: TestContext, contract: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "own-"));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "service.proto"), contract);
  return makeWorkspace(t, folder);
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
