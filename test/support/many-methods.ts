/** Opens the page of a server with two services, which have methods of every kind. */
import type { TestContext } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { Browser } from "playwright-core";
import type { Page } from "../../src/server/site/page.ts";
import { type OpenPage, openPage } from "./browser.ts";
import { compileContract } from "./protos.ts";
import { startServer } from "./server.ts";

export const PACKAGE = "acme.a_package_with_a_name_of_sixty.characters_in_total_or_so.v1";
/** A contract with more methods than a list without a search has. */
const MANY = `
syntax = "proto3";
package ${PACKAGE};

service FirstService {
  rpc Say(Text) returns (Text);
  rpc Greet(Text) returns (Text) {
    option deprecated = true;
  }
  ${Array.from({ length: 5 }, (_, i) => `rpc Do${i}(Text) returns (Text);`).join("\n  ")}
}
service SecondService {
  rpc Say(Text) returns (Text);
  rpc Find(Number) returns (Number);
  rpc Watch(Text) returns (stream Text);
  rpc Join(stream Text) returns (Text);
  rpc Chat(stream Text) returns (stream Text);
}
message Text {
  string text = 1;
}
message Number {
  int32 number = 1;
}
`;

/** The methods that are implemented. Watch sends a message each 50 ms until its call ends. */
const METHODS = {
  say: (request: object) => request,
  find: (request: object) => request,
  async *watch(request: object, { signal }: { readonly signal: AbortSignal }) {
    while (!signal.aborted) {
      yield request;
      await setTimeout(50);
    }
  },
};

/** Opens the page of a server with the two services. */
export async function openMany(
  t: TestContext,
  browser: Browser,
  files: Page,
  options = {},
  fragment = "",
): Promise<OpenPage> {
  const registry = compileContract(t, MANY);
  const { url } = await startServer(t, {
    page: files,
    routes(router) {
      for (const service of registry.getFile("service.proto")?.services ?? [])
        router.service(service, METHODS as object);
    },
  });
  const opened = await openPage(t, browser, `${url}/${fragment}`, options);
  await opened.page.locator(".function").waitFor();
  return opened;
}
