/** Tests the texts and figures that the page has for the service of the tutorial only. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { DescService } from "@bufbuild/protobuf";
import type { Browser } from "playwright-core";
import type { Page } from "../../src/server/site/page.ts";
import { en } from "../../web/i18n/en.ts";
import { ko } from "../../web/i18n/ko.ts";
import { type OpenPage, openPage } from "../support/browser.ts";
import { buildFiles, startPage, testInChromium, text } from "../support/page-tests.ts";
import { compileContract } from "../support/protos.ts";

const TUTORIAL = `
syntax = "proto3";
package test;
service Test {
  rpc GetSum(Data) returns (Sum);
}
message Data {
  int32 a = 1;
  int32 b = 2;
}
message Sum {
  int32 sum = 1;
}
`;

test("the figures of the comparison are named as those of GetSum", () => {
  for (const { costIntro } of [en, ko]) assert.match(costIntro, /GetSum/);
});

testInChromium("the page of the tutorial", [
  [
    "the tutorial's texts and figures are shown for its service only",
    async (t, browser, files) => {
      const { url } = await startPage(t, files);
      const { page } = await openPage(t, browser, url);
      await page.locator(".function").waitFor();
      assert.equal(await page.locator(".comparison, .chart").count(), 0);
      assert.doesNotMatch(await text(page.locator("body")), /One call, byte by byte|GetSum|tutorial/);
      for (const [locale, title] of [
        ["en", "One call, byte by byte"],
        ["ko", "호출 한 번, 바이트로 보기"],
      ] as const) {
        const tutorial = await openTutorial(t, browser, files, { locale });
        await tutorial.page.locator(".comparison").waitFor();
        await tutorial.page.getByRole("heading", { name: title }).waitFor();
        await tutorial.page.waitForFunction(`document.title === ${JSON.stringify(title)}`); // it follows the rendering
      }
    },
  ],
  [
    "the page contains the whole chart of the benchmark",
    async (t, browser, files) => {
      const { page } = await openTutorial(t, browser, files);
      await page.getByText("All measurements").click();
      const picture = page.getByRole("img", { name: "CPU time of the server per call" });
      await picture.scrollIntoViewIfNeeded();
      await picture.and(page.locator("img[src$='.svg']")).waitFor();
      const width =
        "document.querySelector('.chart img').decode().then(() => document.querySelector('.chart img').naturalWidth)";
      assert.equal(await page.evaluate(width), 840);
    },
  ],
  [
    "a repository without the benchmark has a page without figures",
    async (t, browser) => {
      const { page } = await openTutorial(t, browser, await buildFiles(t, "/does-not-exist"));
      await page.getByRole("button", { name: "Call" }).waitFor();
      assert.equal(await page.locator("#cost, .comparison, .chart").count(), 0);
    },
  ],
  [
    "with forced colours, the chart is visible",
    async (t, browser, files) => {
      const { page } = await openTutorial(t, browser, files, { forcedColors: "active" });
      const colorOf = (selector: string): Promise<unknown> =>
        page.evaluate(`getComputedStyle(document.querySelector("${selector}")).backgroundColor`);
      await page.locator(".chart").waitFor();
      const card = await colorOf(".comparison");
      for (const dot of [".chart .dot", ".chart .own .dot"]) assert.notEqual(await colorOf(dot), card, dot);
    },
  ],
]);

async function openTutorial(t: TestContext, browser: Browser, files: Page, options = {}): Promise<OpenPage> {
  const service = compileContract(t, TUTORIAL).getService("test.Test") as DescService;
  const { url } = await startPage(t, files, { routes: (router) => void router.service(service, {}) });
  return openPage(t, browser, url, options);
}
