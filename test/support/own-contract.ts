/** Makes copies of the repository with another contract by the steps of the README, and opens their pages. */
import assert from "node:assert/strict";
import { cp, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { createRegistry, type DescService } from "@bufbuild/protobuf";
import type { Browser } from "playwright-core";
import type { Routes } from "../../src/server/rpc/options.ts";
import { type Page, readPage } from "../../src/server/site/page.ts";
import { type OpenPage, openPage } from "./browser.ts";
import { ROOT, run } from "./command.ts";
import { startServer } from "./server.ts";

export interface OwnContract {
  readonly folder: string;
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
    "bench/results",
    "bench/labels.ts",
    "bench/newest.ts",
    "proto",
    "package.json",
    "buf.yaml",
    "buf.gen.yaml",
  ]) {
    await cp(join(ROOT, name), join(folder, name), { recursive: true });
  }
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  return folder;
}

/** Makes a copy with this contract, and generates and builds it. `service` is the first service of the contract. */
export async function makeOwn(t: TestContext, contract: string, service: string): Promise<OwnContract> {
  const folder = await copyRepository(t);
  await writeFile(join(folder, "proto/service.proto"), contract);
  const { code, stderr } = await run("npm", ["run", "generate"], { cwd: folder });
  assert.equal(code, 0, stderr);
  const generated = (await import(join(folder, "gen/service_pb.ts"))) as Record<string, DescService>;
  return { folder, service: generated[service] as DescService, files: readPage(join(folder, "web/dist")) as Page };
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
