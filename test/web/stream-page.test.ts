/** Tests the page's view of streams and of calls that take long: rows, their bytes, counts, the end, and the stop. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { type StringValue, StringValueSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Page as BrowserPage, Locator } from "playwright-core";
import type { Routes } from "../../src/server/rpc/options.ts";
import { PROTOCOL_NAMES } from "../../web/call/protocol.ts";
import { openPage } from "../support/browser.ts";
import { envelope } from "../support/cells.ts";
import { SERVER } from "../support/certificates.ts";
import {
  assertAccessible,
  choose,
  hexOf,
  openRecorded,
  type PageTest,
  testInChromium,
  text,
} from "../support/page-tests.ts";
import { echoRoutes } from "../support/protos.ts";
import { startServer } from "../support/server.ts";

const STREAMING = ["connect-json", "connect-binary", "grpc-web"] as const;
const REPEAT = "/fixture.Echo/Repeat";
/** Limits of web/call/stream-recorder.ts. */
const MAX_ROWS = 500;

testInChromium("the page shows streams", [
  ...STREAMING.map(
    (protocol): PageTest => [
      `the messages of a stream in ${PROTOCOL_NAMES[protocol]} appear as they come, each with its bytes`,
      async (t, browser, files) => {
        const { routes, send, end } = steps();
        const { page, exchanges } = await openRecorded(t, browser, files, {}, { routes });
        await callRepeat(page, protocol);
        const rows = page.locator(".messages summary");
        for (const [i, value] of ["one", "two", "three"].entries()) {
          send(value);
          await rows.nth(i).waitFor();
          assert.equal(await rows.count(), i + 1);
          assert.match(await text(rows.nth(i)), new RegExp(`^${i + 1} "${value}" [\\d.]+ ms \\d+ bytes$`));
        }
        assert.match(await text(page.locator(".result .response")), /^3 messages so far, \d+ bytes$/);
        await page.getByRole("button", { name: "Stop" }).waitFor();
        end();
        await endOf(page).waitFor();
        await page.getByRole("button", { name: "Stop" }).waitFor({ state: "detached" });
        assert.match(await text(page.locator(".result")), /^3 messages, \d+ bytes[\d.]+ ms, HTTP\/1\.1$/);
        await rows.nth(1).click();
        const [exchange] = exchanges(REPEAT);
        const shown = [await hexOf(page.getByRole("listbox", { name: "Message 2", exact: true }))];
        const ofEnd = page.getByRole("listbox", { name: "End of the stream" });
        const whole = Buffer.from(exchange?.response.body ?? []);
        assert.deepEqual(shown, [envelopes(whole)[1]]);
        assert.deepEqual(await hexOf(ofEnd), envelopes(whole)[3]);
        const values = page.getByLabel("Response", { exact: true }).locator(".values li");
        assert.ok(
          (await values.allInnerTexts()).some((value) => /x-mine/.test(value)),
          "the trailer is shown",
        );
      },
    ],
  ),
  ...(["light", "dark"] as const).map(
    (colorScheme): PageTest => [
      `axe finds nothing in a stream on ${colorScheme}, and it fits into a narrow window`,
      async (t, browser, files) => {
        const { routes, send, end } = steps();
        const { url } = await startServer(t, { page: files, routes });
        const viewport = { width: 360, height: 800 };
        const { page } = await openPage(t, browser, url, { colorScheme, viewport });
        await page.locator(".methods .toggle").click();
        await callRepeat(page);
        send("long ".repeat(100));
        await page.locator(".messages summary").first().click();
        await page.getByRole("button", { name: "Stop" }).waitFor();
        assert.equal(JSON.parse(await page.getByLabel("Message 1 as JSON").inputValue()), "long ".repeat(100));
        await assertAccessible(page);
        end();
        await endOf(page).waitFor();
        await assertAccessible(page);
        assert.equal(await page.evaluate("document.documentElement.scrollWidth"), viewport.width);
      },
    ],
  ),
  [
    "a stop ends the stream on the server, and keeps the messages",
    async (t, browser, files) => {
      const { promise: aborted, resolve } = Promise.withResolvers<void>();
      const page = await open(t, browser, files, endless(5, resolve));
      await callRepeat(page);
      await page.locator(".messages summary").nth(3).waitFor();
      await page.getByRole("button", { name: "Stop" }).click();
      await page.getByText("You stopped the call.").waitFor();
      assert.equal(await page.locator(".outcome:focus").count(), 1, "the keyboard goes on from the outcome");
      await aborted;
      const rows = await page.locator(".messages summary").count();
      assert.match(await text(page.locator(".result .response")), new RegExp(`^${rows} messages, `));
      assert.equal(await page.locator(".result .error").count(), 0);
      assert.doesNotMatch(await text(page.locator("main")), /Is the server still running/);
      await page.waitForTimeout(100);
      assert.equal(await page.locator(".messages summary").count(), rows);
    },
  ],
  [
    "over TLS a stream uses HTTP/2, in every protocol, and a stop ends it on the server",
    async (t, browser, files) => {
      let ended = 0;
      const { url, log } = await startServer(t, { page: files, routes: endless(5, () => ended++), tls: SERVER });
      const { page } = await openPage(t, browser, url, { ignoreHTTPSErrors: true });
      for (const [i, protocol] of STREAMING.entries()) {
        await callRepeat(page, protocol);
        await page.locator(".messages summary").nth(3).waitFor();
        await page.getByRole("button", { name: "Stop" }).click();
        await page.getByText("You stopped the call.").waitFor();
        assert.match(await text(page.locator(".result")), / ms, HTTP\/2$/);
        while (ended <= i) await sleep(10);
      }
      // Chromium refuses the certificate before it overlooks that.
      for (const entry of log.splice(0)) assert.match(entry, /it does not trust this server's certificate/);
    },
  ],
  [
    "choosing another method ends the stream on the server",
    async (t, browser, files) => {
      const { promise: aborted, resolve } = Promise.withResolvers<void>();
      const page = await open(t, browser, files, endless(5, resolve));
      await callRepeat(page);
      await page.locator(".messages summary").first().waitFor();
      await page.getByRole("link", { name: /^Say/ }).click();
      await aborted;
      assert.equal(await text(page.locator(".result")), "");
      await page.getByText("Calls in this tab (1)").click();
      assert.match(await text(page.locator(".history li")), / Repeat canceled /);
    },
  ],
  [
    "a unary call that takes long can be stopped",
    async (t, browser, files) => {
      const page = await open(t, browser, files, echoRoutes({ say: () => new Promise(() => {}) }));
      await page.locator(".primary").click();
      await page.getByRole("button", { name: "Stop" }).click();
      await page.locator(".result").getByText("You stopped the call.").waitFor();
      await page.getByText("The call ended before a response came.").waitFor();
      assert.doesNotMatch(await text(page.locator("main")), /Is the server still running/);
    },
  ],
  [
    "an error after messages shows both, and a malformed message shows its problem and its bytes",
    async (t, browser, files) => {
      const routes = echoRoutes({
        async *repeat(request) {
          yield request;
          throw new ConnectError("enough", Code.ResourceExhausted);
        },
      });
      const page = await open(t, browser, files, routes);
      await callRepeat(page);
      await page.locator(".result .error", { hasText: "resource_exhausted enough" }).waitFor();
      assert.equal(await page.locator(".messages summary").count(), 1);
      const body = Buffer.concat([
        envelope(Buffer.from('"x"')),
        envelope(Buffer.from("nonsense")),
        Buffer.from([0, 0]),
      ]);
      await page.route(`**${REPEAT}`, (route) => route.fulfill({ contentType: "application/connect+json", body }));
      await page.locator(".primary").click();
      await page.locator(".messages summary .error").waitFor();
      assert.equal(await page.locator(".messages summary").count(), 2);
      await page.locator(".messages summary").nth(1).click();
      await page.getByRole("listbox", { name: "Message 2" }).locator(".malformed").waitFor();
      assert.ok((await text(page.locator(".result .error"))).length > 0);
    },
  ],
  [
    "rows are reached by arrow keys, and Tab leaves the list",
    async (t, browser, files) => {
      const page = await open(t, browser, files, counting(20));
      await callRepeat(page);
      await endOf(page).waitFor();
      const numberOf = () => page.evaluate("document.activeElement.dataset.number") as Promise<string | undefined>;
      await page.locator(".messages summary").first().focus();
      const numbers: (string | undefined)[] = [];
      for (const key of ["ArrowDown", "ArrowDown", "End", "ArrowDown", "ArrowUp", "Home"]) {
        await page.keyboard.press(key);
        numbers.push(await numberOf());
      }
      assert.deepEqual(numbers, ["2", "3", "20", "20", "19", "1"]);
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Enter");
      const bytes = page.getByRole("listbox", { name: "Message 2", exact: true });
      await bytes.waitFor();
      await page.keyboard.press("Tab");
      assert.ok(await isFocused(page, bytes));
      await page.keyboard.press("Tab");
      assert.ok(await isFocused(page, page.getByRole("listbox", { name: "End of the stream" })));
      await page.keyboard.press("Shift+Tab");
      await page.keyboard.press("Shift+Tab");
      assert.equal(await numberOf(), "2");
    },
  ],
  [
    "the form is not rendered while messages arrive",
    async (t, browser, files) => {
      const page = await open(
        t,
        browser,
        files,
        endless(5, () => {}),
      );
      await callRepeat(page);
      await page.locator(".messages summary").first().waitFor();
      await page.evaluate(`
        window.reads = 0; // each rendering compares the value of a control
        Object.defineProperty(document.querySelector(".form :is(input, textarea)"), "value", {
          get: () => (reads++, ""),
          set() {},
        });`);
      await page.locator(".messages summary").nth(40).waitFor();
      assert.equal(await page.evaluate("reads"), 0);
    },
  ],
  [
    "a new call closes the rows of the call before",
    async (t, browser, files) => {
      const page = await open(t, browser, files, counting(3));
      await callRepeat(page);
      await endOf(page).waitFor();
      await page.locator(".messages summary").nth(1).click();
      await page.getByRole("listbox", { name: "Message 2", exact: true }).waitFor();
      await page.locator(".primary").click();
      await page.getByText("Calls in this tab (2)").waitFor();
      assert.equal(await page.locator(".messages summary").count(), 3);
      assert.equal(await page.locator(".messages [open]").count(), 0);
    },
  ],
  [
    "a long stream keeps a bounded number of rows",
    async (t, browser, files) => {
      const page = await open(t, browser, files, counting(3_000));
      await callRepeat(page);
      await endOf(page).waitFor();
      const list = page.locator(".messages");
      assert.equal(await list.locator("summary").count(), MAX_ROWS);
      assert.match(await text(list.locator("> .note")), /^2500 messages with \d+ bytes came here\./);
      assert.match(await text(page.locator(".result .response")), /^3000 messages, /);
      assert.match(await text(list.locator("summary").last()), /^3000 /);
    },
  ],
  [
    "the newest message stays visible until the user scrolls up",
    async (t, browser, files) => {
      const page = await open(
        t,
        browser,
        files,
        endless(10, () => {}),
      );
      await callRepeat(page);
      const rows = page.locator(".messages summary");
      await rows.nth(60).waitFor();
      assert.ok(await isAtEnd(page));
      await page.locator(".messages").hover();
      await page.mouse.wheel(0, -300);
      await page.waitForTimeout(100);
      const before = await rows.count();
      await rows.nth(before + 20).waitFor();
      assert.ok(!(await isAtEnd(page)));
    },
  ],
  [
    "screen readers hear counts from time to time, and not each message",
    async (t, browser, files) => {
      const page = await open(
        t,
        browser,
        files,
        endless(10, () => {}),
      );
      await page.locator(".result").waitFor();
      await page.evaluate(`
        window.heard = [];
        new MutationObserver(() => {
          const copy = document.querySelector(".result").cloneNode(true);
          for (const each of copy.querySelectorAll("[aria-hidden]")) each.remove();
          if (heard.at(-1) !== copy.textContent) heard.push(copy.textContent);
        }).observe(document.querySelector(".result"), { subtree: true, childList: true, characterData: true });`);
      await callRepeat(page);
      await page.locator(".messages summary").nth(99).waitFor();
      await page.getByRole("button", { name: "Stop" }).click();
      await page.getByText("You stopped the call.").waitFor();
      const heard = (await page.evaluate("heard")) as string[];
      assert.ok(heard.length >= 2 && heard.length <= 10, heard.join("\n"));
      assert.match(String(heard.at(-1)), /^\d{3} messages, \d+ bytesYou stopped the call\./);
      assert.equal(
        await page.locator("[aria-live], [role=log], [role=status], [role=alert]").locator("summary").count(),
        0,
      );
    },
  ],
]);

async function open(...[t, browser, files, routes]: [...Parameters<PageTest[1]>, Routes]): Promise<BrowserPage> {
  const { url } = await startServer(t, { page: files, routes });
  return (await openPage(t, browser, url)).page;
}

async function callRepeat(page: BrowserPage, protocol: (typeof STREAMING)[number] = "connect-json"): Promise<void> {
  await page.getByRole("link", { name: /^Repeat/ }).click();
  await choose(page, protocol);
  await page.locator(".primary").click();
}

function endOf(page: BrowserPage): Locator {
  return page.getByRole("heading", { name: "End of the stream" });
}

/** Returns routes with a stream that sends a message at each `send`, until `end`. */
function steps(): { routes: Routes; send(value: string): void; end(): void } {
  const { readable, writable } = new TransformStream<StringValue, StringValue>(undefined, { highWaterMark: 9 });
  const writer = writable.getWriter();
  const routes = echoRoutes({
    async *repeat(_, { responseTrailer }) {
      responseTrailer.set("x-mine", "7");
      yield* readable;
    },
  });
  return { routes, send: (value) => void writer.write(message(value)), end: () => void writer.close() };
}

/** Returns routes with a stream of this many messages. */
function counting(count: number): Routes {
  return echoRoutes({
    async *repeat() {
      for (let i = 1; i <= count; i++) yield message(`message ${i}`);
    },
  });
}

/** Returns routes with a stream that has a message every `ms`, until it is cancelled. `done` is called then. */
function endless(ms: number, done: () => void): Routes {
  return echoRoutes({
    say: (request) => request,
    async *repeat(_, { signal }) {
      signal.addEventListener("abort", done);
      for (let i = 1; !signal.aborted; i++) {
        yield message(`message ${i}`);
        await sleep(ms);
      }
    },
  });
}

function message(value: string): StringValue {
  return create(StringValueSchema, { value });
}

/** Splits a body of complete envelopes. */
function envelopes(body: Buffer): Buffer[] {
  const all: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    all.push(body.subarray(at, end));
    at = end;
  }
  return all;
}

async function isFocused(page: BrowserPage, target: Locator): Promise<boolean> {
  return (await target.and(page.locator(":focus")).count()) === 1;
}

function isAtEnd(page: BrowserPage): Promise<boolean> {
  return page.evaluate(`(() => {
    const { scrollTop, clientHeight, scrollHeight } = document.querySelector(".messages");
    return scrollTop + clientHeight >= scrollHeight - 4;
  })()`) as Promise<boolean>;
}
