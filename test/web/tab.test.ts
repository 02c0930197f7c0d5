/** Tests the state of a tab: the history of calls, links with an input, metadata and deadline, and keys. */
import assert from "node:assert/strict";
import type { Page as BrowserPage } from "playwright-core";
import { openPage } from "../support/browser.ts";
import { openMany, PACKAGE } from "../support/many-methods.ts";
import {
  assertOnlyRefused,
  call,
  choose,
  openRecorded,
  PROCEDURE,
  snippet,
  startPage,
  testInChromium,
  text,
  wholeTable,
} from "../support/page-tests.ts";

testInChromium("the page remembers", [
  [
    "a call in the history has its outcome, and restores input, protocol and metadata without a call",
    async (t, browser, files) => {
      const { page, takeProblems, exchanges } = await openRecorded(t, browser, files);
      await addMetadata(page, "x-key", "first");
      await choose(page, "grpc-web");
      await call(page, 20, 22);
      await page.getByRole("button", { name: "Remove 1" }).click();
      await choose(page, "connect-json");
      await page.getByRole("button", { name: "The largest numbers" }).click();
      await wholeTable(page);
      await page.getByText("Calls in this tab (2)").click();
      const entries = page.locator(".history li");
      assert.match(await text(entries.nth(0)), / out_of_range [\d.]+ ms, Connect JSON /);
      assert.match(await text(entries.nth(1)), / ok [\d.]+ ms, gRPC-Web \{ "a": 20, "b": 22 \}$/);
      const sent = exchanges(PROCEDURE).length;
      await entries.nth(1).getByRole("button").click();
      assert.equal(await page.getByLabel("a", { exact: true }).inputValue(), "20");
      assert.ok(await page.getByLabel("gRPC-Web").isChecked());
      assert.equal(await page.getByLabel("Metadata 1: Name").inputValue(), "x-key");
      await page.waitForLoadState("networkidle");
      assert.equal(exchanges(PROCEDURE).length, sent);
      assertOnlyRefused(await takeProblems());
    },
  ],
  [
    "the history and the metadata last until the tab is closed, and can be cleared",
    async (t, browser, files) => {
      const { url } = await startPage(t, files);
      const { page } = await openPage(t, browser, url);
      await addMetadata(page, "x-key", "1");
      await call(page, 1, 2);
      await page.reload();
      await page.getByText("Calls in this tab (1)").click();
      await page.getByText("Metadata and deadline: x-key").waitFor();
      const other = await page.context().newPage();
      await other.goto(url);
      await other.locator(".function").waitFor();
      assert.equal(await other.locator(".history").count(), 0);
      await page.getByRole("button", { name: "Clear" }).click();
      assert.equal(await page.locator(".history").count(), 0);
      await page.reload();
      await page.locator(".function").waitFor();
      assert.equal(await page.locator(".history").count(), 0);
    },
  ],
  ...[
    "Object.defineProperty(window, 'sessionStorage', { get() { throw new DOMException('', 'SecurityError'); } })",
    "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); }",
    "try { sessionStorage.setItem('calls', '[{}]'); sessionStorage.setItem('metadata', '{'); } catch {}",
  ].map(
    (script) =>
      [
        `the history works with this storage: ${script}`,
        async (t, browser, files) => {
          const { url } = await startPage(t, files);
          const { page } = await openPage(t, browser, url);
          await page.addInitScript(script);
          await page.reload();
          await call(page, 1, 2);
          await page.getByText("Calls in this tab (1)").waitFor();
          await addMetadata(page, "x-key", "1");
        },
      ] satisfies Parameters<typeof testInChromium>[1][number],
  ),
  [
    "the chosen tool stays chosen after an invalid input, and when the page is loaded again",
    async (t, browser, files) => {
      const { url } = await startPage(t, files);
      const { page } = await openPage(t, browser, url);
      assert.match(await snippet(page, "Python"), /^# mkdir/);
      await page.getByLabel("a", { exact: true }).fill("x");
      await page.locator(".snippets").waitFor({ state: "detached" });
      await page.getByLabel("a", { exact: true }).fill("7");
      await page.locator(".snippets pre", { hasText: "a=7" }).waitFor();
      await page.reload();
      await page.locator(".snippets pre", { hasText: "# mkdir" }).waitFor();
      assert.equal(await page.locator(".snippets figure").count(), 1);
    },
  ],
  [
    "metadata and deadline are sent in each protocol, and are in the snippets",
    async (t, browser, files) => {
      const { page, exchanges } = await openRecorded(t, browser, files);
      await addMetadata(page, "X-Key", "a b");
      await page.getByLabel("Deadline").fill("5000");
      await call(page, 1, 2);
      const sent = exchanges(PROCEDURE);
      assert.ok(sent.length >= 4);
      for (const { request } of sent) {
        assert.equal(request.headers.get("x-key"), "a b", request.start);
        assert.match(
          String(request.headers.get("connect-timeout-ms") ?? request.headers.get("grpc-timeout")),
          /^5000m?$/,
        );
      }
      assert.match(await snippet(page, "curl"), /x-key: a b/i);
      assert.match(await text(page.locator(".metadata summary")), /x-key, 5000 ms$/);
    },
  ],
  [
    "metadata or a deadline that cannot be sent is a problem, which disables the call",
    async (t, browser, files) => {
      const { page, exchanges } = await openRecorded(t, browser, files);
      const button = page.getByRole("button", { name: "Call", exact: true });
      const maximum = page.getByRole("button", { name: "The largest numbers" });
      await addMetadata(page, "host", "other");
      assert.match(await text(page.getByRole("alert")), /"host": browsers do not let a page set this header/);
      assert.ok(await button.isDisabled());
      assert.ok(await maximum.isDisabled());
      await page.keyboard.press("Control+Enter");
      await page.getByLabel("Metadata 1: Name").fill("x-key");
      assert.ok(await button.isEnabled());
      assert.ok(await maximum.isEnabled());
      await page.getByLabel("Deadline").fill("1.5");
      assert.match(await text(page.getByRole("alert")), /from 1 to 99999999/);
      assert.ok(await button.isDisabled());
      await page.getByLabel("Deadline").fill("");
      await page.getByRole("button", { name: "Remove 1" }).click();
      await page.getByRole("button", { name: "Add metadata" }).and(page.locator(":focus")).waitFor();
      assert.equal(exchanges(PROCEDURE).length, 0);
    },
  ],
  [
    "a copied link opens the page with the input, without metadata, and calls nothing",
    async (t, browser, files) => {
      const permissions = ["clipboard-read", "clipboard-write"];
      const { page, exchanges } = await openRecorded(t, browser, files, { permissions });
      await addMetadata(page, "authorization", "secret");
      await page.getByLabel("a", { exact: true }).fill("-7");
      await page.getByRole("button", { name: "Copy link" }).click();
      await page.getByText("Copied, with this input but without metadata.").waitFor();
      const link = (await page.evaluate("navigator.clipboard.readText()")) as string;
      assert.equal(link, page.url());
      assert.doesNotMatch(decodeURIComponent(link), /authorization|secret/);
      await page.getByLabel("b", { exact: true }).fill("9");
      await page.waitForURL((url) => !url.hash.includes("input")); // the address follows the input after the rendering
      const other = await page.context().newPage();
      await other.goto(link);
      assert.equal(await other.getByLabel("a", { exact: true }).inputValue(), "-7");
      await other.waitForLoadState("networkidle");
      assert.equal(exchanges(PROCEDURE).length, 0);
    },
  ],
  [
    "without a clipboard, the link is in the address bar, and a link from there is opened",
    async (t, browser, files) => {
      const { url } = await startPage(t, files);
      const { page } = await openPage(t, browser, url);
      await page.evaluate(
        "navigator.clipboard.writeText = () => Promise.reject(new DOMException('', 'NotAllowedError'))",
      );
      await page.getByLabel("a", { exact: true }).fill("12");
      await page.getByRole("button", { name: "Copy link" }).click();
      await page.getByText("The link is in the address bar").waitFor();
      const link = page.url();
      await page.getByLabel("a", { exact: true }).fill("13");
      await page.evaluate(`location.href = ${JSON.stringify(link)}`);
      await page.waitForFunction("document.querySelector('#field-a, [id$=field-a]').value === '12'");
    },
  ],
  [
    "an input that is not JSON is in a link as it is, and one that is too long is refused",
    async (t, browser, files) => {
      const { url } = await startPage(t, files);
      const { page } = await openPage(t, browser, `${url}/#${PROCEDURE}?input=%7B%22a`);
      await page.getByRole("alert").first().waitFor();
      assert.ok(await page.getByRole("button", { name: "Call", exact: true }).isDisabled());
      await page.goto(`${url}/#${PROCEDURE}?input=%22${"x".repeat(20_000)}%22`);
      await page.reload();
      await page.getByRole("button", { name: "Copy link" }).click();
      await page.getByText("This input is too long for a link.").waitFor();
    },
  ],
  [
    "Ctrl+Enter and Cmd+Enter call from anywhere, once",
    async (t, browser, files) => {
      const { page, exchanges } = await openRecorded(t, browser, files);
      const posts = () =>
        exchanges(PROCEDURE).filter(({ request }) => /json/.test(request.headers.get("content-type") ?? ""));
      await page.getByText("Ctrl+Enter").waitFor();
      for (const [index, [key, place]] of (
        [
          ["Control+Enter", "body"],
          ["Meta+Enter", "summary"],
          ["Control+Enter", "input[size]"],
          ["Control+Enter", "button[type=submit]"],
        ] as const
      ).entries()) {
        await page.reload();
        await page.locator("[type=submit]").waitFor();
        if (place !== "body") await page.locator(place).first().focus();
        await page.keyboard.press(key);
        await wholeTable(page);
        assert.equal(posts().length, index + 1, `${key} in ${place}`);
      }
    },
  ],
  [
    "the history restores a method that is not shown, and back leads to the one before",
    async (t, browser, files) => {
      const { page } = await openMany(t, browser, files);
      const name = page.locator(".function .name");
      await page.getByLabel("text", { exact: true }).fill("first");
      await page.getByRole("button", { name: "Call", exact: true }).click();
      await page.locator(".result .response", { hasText: "text = first" }).waitFor();
      await page.getByLabel("text", { exact: true }).fill("second");
      await page.getByRole("link", { name: "Find" }).click();
      await page.getByLabel("number", { exact: true }).waitFor();
      await page.locator(".history summary").click();
      await page.locator(".history li button").click();
      assert.equal(await page.getByLabel("text", { exact: true }).inputValue(), "first");
      assert.match(await text(name), /FirstService\.Say$/);
      assert.match(page.url(), /FirstService\/Say$/);
      await page.goBack();
      await page.getByLabel("number", { exact: true }).waitFor();
    },
  ],
  [
    "Escape stops a stream, and the history has it",
    async (t, browser, files) => {
      const { page } = await openMany(t, browser, files, {}, `#/${PACKAGE}.SecondService/Watch`);
      await page.keyboard.press("Escape");
      await page.keyboard.press("Control+Enter");
      await page.locator(".result .response", { hasText: /^[3-9] messages/ }).waitFor();
      await page.keyboard.press("Escape");
      await page.locator(".result", { hasText: "stopped" }).waitFor();
      assert.equal(await page.locator(".stop").count(), 0);
      await page.locator(".history summary").click();
      assert.match(await text(page.locator(".history li")), / Watch canceled /);
    },
  ],
]);

/** Opens the section of metadata, and adds a row. */
async function addMetadata(page: BrowserPage, name: string, value: string): Promise<void> {
  if (!(await page.locator(".metadata details").evaluate((details) => (details as { open?: boolean }).open)))
    await page.locator(".metadata summary").click();
  await page.getByRole("button", { name: "Add metadata" }).click();
  await page
    .getByLabel(/: Name$/)
    .last()
    .and(page.locator(":focus"))
    .waitFor();
  await page.keyboard.type(name);
  await page.keyboard.press("Tab");
  await page.keyboard.type(value);
}
