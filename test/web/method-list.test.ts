/** Tests the choice of a method: the list, its search, keys, links, back and forward. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DescService } from "@bufbuild/protobuf";
import { openPage } from "../support/browser.ts";
import { openMany, PACKAGE } from "../support/many-methods.ts";
import { buildFiles, type PageTest, snippet, testInChromium, text } from "../support/page-tests.ts";
import { compileContract } from "../support/protos.ts";
import { startServer } from "../support/server.ts";

const ONE = `
syntax = "proto3";
package one.v1;
service OneService {
  rpc Say(Text) returns (Text);
}
message Text {}
`;

testInChromium("the page has a list of methods", [
  [
    "methods are grouped by service, and marked with their kind and as deprecated",
    async (t, browser, files) => {
      const { page } = await openMany(t, browser, files);
      assert.deepEqual(await page.locator("nav .service").allInnerTexts(), [
        `${PACKAGE}.FirstService`,
        `${PACKAGE}.SecondService`,
      ]);
      const second = page.getByRole("region", { name: "SecondService" });
      assert.deepEqual(await second.locator(".name").allInnerTexts(), ["Say", "Find", "Watch", "Join", "Chat"]);
      assert.deepEqual(await second.locator(".note").allInnerTexts(), [
        "unary",
        "unary",
        "server stream",
        "client stream",
        "bidirectional",
      ]);
      assert.equal(await text(page.getByRole("link", { name: "Greet" })), "Greet unary, deprecated");
    },
  ],
  [
    "a link chooses a method, the title follows its service, and back and forward work",
    async (t, browser, files) => {
      const { page } = await openMany(t, browser, files);
      const heading = page.getByRole("heading", { level: 1 });
      assert.equal(await text(heading), `${PACKAGE}.FirstService`);
      await page.getByLabel("text", { exact: true }).fill("kept");
      await page.getByRole("link", { name: "Find" }).click();
      await page.getByLabel("number", { exact: true }).waitFor();
      assert.equal(await text(heading), `${PACKAGE}.SecondService`);
      await page.waitForFunction("document.title === 'SecondService'"); // the title follows after the rendering
      assert.equal(new URL(page.url()).hash, `#/${PACKAGE}.SecondService/Find`);
      await page.goBack();
      assert.equal(await page.getByLabel("text", { exact: true }).inputValue(), "kept");
      assert.equal(await text(page.locator("[aria-current=page] .name")), "Say");
      await page.goForward();
      await page.getByLabel("number", { exact: true }).waitFor();
      await page.reload();
      await page.getByLabel("number", { exact: true }).waitFor();
    },
  ],
  [
    "a search finds methods, arrow keys move between them, and Enter chooses one",
    async (t, browser, files) => {
      const { page } = await openMany(t, browser, files);
      const search = page.getByRole("searchbox");
      const focused = page.locator("nav :focus .name");
      await page.keyboard.press("/");
      await page.keyboard.type("second");
      await page.locator("nav [role=status]", { hasText: "5 methods" }).waitFor();
      assert.deepEqual(await page.locator("nav .name").allInnerTexts(), ["Say", "Find", "Watch", "Join", "Chat"]);
      for (const [key, expected] of [
        ["ArrowDown", "Say"],
        ["ArrowDown", "Find"],
        ["ArrowUp", "Say"],
        ["ArrowUp", "Say"],
        ["End", "Chat"],
        ["ArrowDown", "Chat"],
        ["Home", "Say"],
        ["ArrowDown", "Find"],
      ] as const) {
        await page.keyboard.press(key);
        assert.equal(await text(focused), expected, key);
      }
      await page.keyboard.press("Enter");
      await page.getByLabel("number", { exact: true }).waitFor();
      await search.fill("GREET");
      await page.keyboard.press("Enter");
      await page.locator(".function", { hasText: "FirstService.Greet" }).waitFor();
      await search.fill("nothing");
      await page.getByText("No method has this name.").waitFor();
      await page.keyboard.press("Enter");
      await page.keyboard.press("Escape");
      assert.equal(await page.locator("nav .name").count(), 12);
    },
  ],
  [
    "a slash in a field is typed, and Tab passes the list in two steps",
    async (t, browser, files) => {
      const { page } = await openMany(t, browser, files);
      await page.getByLabel("text", { exact: true }).fill("");
      await page.keyboard.type("a/b");
      assert.equal(await page.getByLabel("text", { exact: true }).inputValue(), "a/b");
      await page.getByRole("searchbox").focus();
      await page.keyboard.press("Tab");
      assert.equal(await text(page.locator("nav :focus .name")), "Say");
      await page.keyboard.press("Tab");
      assert.equal(await page.locator("nav :focus").count(), 0);
    },
  ],
  [
    "comments of the service and of the method are shown, in paragraphs",
    async (t, browser) => {
      const folder = mkdtempSync(join(tmpdir(), "comments-"));
      t.after(() => rmSync(folder, { recursive: true }));
      const comments = {
        [`${PACKAGE}.FirstService`]: "Answers in\none line.\n\nAnd in\nanother.",
        [`${PACKAGE}.FirstService.Greet`]: "Do not call:\n- it is old",
      };
      writeFileSync(join(folder, "a_comments.json"), JSON.stringify(comments));
      const { page } = await openMany(t, browser, await buildFiles(t, folder, folder));
      const paragraphs = page.locator("header .comment p");
      assert.deepEqual(await paragraphs.allTextContents(), ["Answers in one line.", "And in another."]);
      assert.equal(await page.locator("form .comment").count(), 0);
      await page.getByRole("link", { name: "Greet" }).click();
      await page.locator("form .comment").waitFor();
      assert.equal(await page.locator("form .comment").textContent(), "Do not call:\n- it is old");
      assert.equal(await text(page.locator("form .kind")), "deprecated");
    },
  ],
  ...["Join", "Chat"].map(
    (name): PageTest => [
      `the page says why a browser cannot call ${name}, and has lines to paste with its input`,
      async (t, browser, files) => {
        const { page } = await openMany(t, browser, files, {}, `#/${PACKAGE}.SecondService/${name}`);
        await page.getByText("Browsers cannot call this method, because it sends a stream").waitFor();
        assert.equal(await page.getByRole("button", { name: "Call", exact: true }).count(), 0);
        assert.equal(await page.locator("[name=protocol], .result, #exchange, #sizes").count(), 0);
        await page.getByLabel("text", { exact: true }).fill("one message");
        await page.keyboard.press("Enter");
        await page.keyboard.press("Control+Enter");
        assert.match(await snippet(page, "grpcurl"), /^grpcurl .*one message/);
        assert.equal(await page.locator(".history").count(), 0);
      },
    ],
  ),
  [
    "in a narrow window the list is closed until it is asked for, and closes when a method is chosen",
    async (t, browser, files) => {
      const { page } = await openMany(t, browser, files, { viewport: { width: 360, height: 740 } });
      const list = page.locator("nav .list");
      const toggle = page.getByRole("button", { name: "Methods (12)" });
      assert.ok(await list.isHidden());
      await toggle.click();
      assert.equal(await toggle.getAttribute("aria-expanded"), "true");
      await page.getByRole("link", { name: "Find" }).click();
      await page.getByLabel("number", { exact: true }).waitFor();
      assert.ok(await list.isHidden());
      await page.getByRole("heading", { level: 1 }).click();
      const pressed = `dispatchEvent(new KeyboardEvent("keydown", { key: "/" })), document.activeElement.type`;
      assert.equal(await page.evaluate(pressed), "search", "the letter that is typed next is lost");
      await page.keyboard.press("Escape");
      await list.waitFor({ state: "hidden" });
      assert.equal(await page.evaluate("document.documentElement.scrollWidth"), 360);
    },
  ],
  ...(
    [
      ["malformed", "#/%"],
      ["malformed", "#call"],
      ["names a method that this server does not have", "#/acme.Other/Say"],
    ] as const
  ).map(
    ([problem, fragment]): PageTest => [
      `the link ${fragment} cannot be followed: the page says so, and works`,
      async (t, browser, files) => {
        const { page } = await openMany(t, browser, files, {}, fragment);
        assert.match(await text(page.getByRole("alert")), new RegExp(problem));
        await page.getByRole("link", { name: "Find" }).click();
        await page.getByLabel("number", { exact: true }).waitFor();
        assert.equal(await page.getByRole("alert").count(), 0);
      },
    ],
  ),
  [
    "with one method, the page has its name as text, and no list",
    async (t, browser, files) => {
      const one = compileContract(t, ONE).getService("one.v1.OneService") as DescService;
      const { url } = await startServer(t, { page: files, routes: (router) => void router.service(one, {}) });
      const { page } = await openPage(t, browser, url);
      await page.locator(".function .name").waitFor();
      assert.equal(await page.getByRole("navigation").count(), 0);
    },
  ],
]);
