/** The page in Chromium: every protocol's call and errors, its bytes against the wire's, keyboard, languages, accessibility. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Browser, Page as BrowserPage, Locator } from "playwright-core";
import { type Page, readPage } from "../../src/server/page.ts";
import { buildPage } from "../../web/build.ts";
import { PROTOCOL_NAMES, PROTOCOLS, type Protocol } from "../../web/call/protocol.ts";
import { type OpenPage, openPage, startBrowser } from "../support/browser.ts";
import { ENV, ROOT, run } from "../support/command.ts";
import { findJudge } from "../support/judge.ts";
import { type RecordedExchange, startRecordingProxy } from "../support/recording-proxy.ts";
import { startServer } from "../support/server.ts";

const GET_SUM = "/test.Test/GetSum";
/** Chromium's own word on every answer that is no success. */
const REFUSED = /^error: Failed to load resource: the server responded with a status of 400/;
const MAX = 2 ** 31 - 1;

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

test("the page in Chromium", { timeout: 300_000 }, async (t) => {
  const browser = await startBrowser(t);
  if (browser === undefined) return;
  const folder = mkdtempSync(join(tmpdir(), "page-"));
  t.after(() => rmSync(folder, { recursive: true }));
  await buildPage(folder);
  const files = readPage(folder) as Page;
  for (const [name, body] of TESTS) await t.test(name, (t) => body(t, browser, files));
});

type PageTest = readonly [name: string, body: (t: TestContext, browser: Browser, files: Page) => Promise<void>];

const TESTS: readonly PageTest[] = [
  ...PROTOCOLS.flatMap((protocol): PageTest[] => [
    [
      `a call in ${PROTOCOL_NAMES[protocol]} shows the answer, and the bytes that crossed the wire`,
      async (t, browser, files) => {
        const { page, exchanges } = await openRecorded(t, browser, files);
        await choose(page, protocol);
        await call(page, 20, 22);
        assert.equal(await text(page.locator(".result .answer")), "Answer: sum = 42");
        await assertShowsTheWire(page, exchanges, protocol);
      },
    ],
    [
      `an overflow in ${PROTOCOL_NAMES[protocol]} shows code, message and the bytes that crossed the wire`,
      async (t, browser, files) => {
        const { page, exchanges, takeProblems } = await openRecorded(t, browser, files);
        await choose(page, protocol);
        await page.getByRole("button", { name: "The greatest numbers" }).click();
        await wholeTable(page);
        assert.equal(
          await text(page.locator(".result .error")),
          `out_of_range add ${MAX} and ${MAX}: ${2 * MAX} is outside int32, ${-MAX - 1} to ${MAX}`,
        );
        await assertShowsTheWire(page, exchanges, protocol);
        assertOnlyRefused(await takeProblems());
      },
    ],
    [
      `a message that is refused in ${PROTOCOL_NAMES[protocol]} shows code, message and the bytes that crossed the wire`,
      async (t, browser, files) => {
        const { page, exchanges, takeProblems } = await openRecorded(t, browser, files);
        await choose(page, protocol);
        await page.getByRole("button", { name: "A message that ends too early" }).click();
        await wholeTable(page);
        assert.match(await text(page.locator(".result .error")), /^invalid_argument \S/);
        assert.match(await text(page.locator(".result")), /The last byte of the message was cut off/);
        await assertShowsTheWire(page, exchanges, protocol);
        const isBinary = protocol === "connect-binary" || protocol === "grpc-web";
        assert.equal(await page.getByLabel("Request", { exact: true }).locator(".malformed").count(), isBinary ? 1 : 0);
        assertOnlyRefused(await takeProblems());
      },
    ],
  ]),
  [
    "a value that no int32 can hold is refused before anything is sent",
    async (t, browser, files) => {
      const { page, exchanges } = await openRecorded(t, browser, files);
      for (const value of ["3000000000", "1.5", "two"]) {
        await page.getByLabel("a", { exact: true }).fill(value);
        assert.match(
          await text(page.getByRole("alert")),
          /^Refused by the client before anything was sent: .*test\.Data\.a/,
        );
        assert.ok(await page.getByRole("button", { name: "Call" }).isDisabled());
        await page.getByLabel("a", { exact: true }).press("Enter");
      }
      await call(page, 1, 2);
      const sent = exchanges(GET_SUM).map(({ request }) => request.body.toString("latin1"));
      assert.ok(
        sent.every((body) => !/3000000000|1\.5|two/.test(body)) && sent.length >= PROTOCOLS.length,
        String(sent),
      );
    },
  ],
  [
    "a server that is gone is an error that says so, and calls succeed when it is back",
    async (t, browser, files) => {
      const { server, url, port } = await startServer(t, { page: files });
      const { page, takeProblems } = await openPage(t, browser, url);
      await call(page, 1, 2);
      await server.close(1_000);
      await page.getByRole("button", { name: "Call" }).click();
      await page.locator(".result .error").waitFor();
      assert.match(await text(page.locator(".result .error")), /^(unknown|unavailable|internal) \S/);
      assert.match(await text(page.locator(".result")), /No answer came\. Is the server still running\?/);
      assert.match(await text(page.getByLabel("Request", { exact: true })), /POST \/test\.Test\/GetSum/);
      assert.match((await takeProblems()).join(), /^error: Failed to load resource: net::ERR_CONNECTION_REFUSED$/);
      const { createServer } = await import("../../src/server/server.ts");
      const { routes } = await import("../../src/routes.ts");
      const again = createServer({ routes, page: files });
      await again.listen({ host: "127.0.0.1", port });
      t.after(() => again.close(1_000));
      await call(page, 2, 3);
      assert.equal(await text(page.locator(".result .answer")), "Answer: sum = 5");
    },
  ],
  [
    "an answer out of the browser's cache is marked, and nothing crosses the wire for it",
    async (t, browser, files) => {
      const { page, exchanges } = await openRecorded(t, browser, files);
      await choose(page, "connect-get");
      await call(page, 5, 6);
      const crossed = exchanges(`${GET_SUM}?`).length;
      assert.doesNotMatch(await text(page.locator(".result")), /cache/);
      await page.getByRole("button", { name: "Call" }).click();
      await page.getByText("from the browser's cache: nothing crossed the wire").first().waitFor();
      assert.equal(exchanges(`${GET_SUM}?`).length, crossed);
    },
  ],
  [
    "everything is done by keyboard alone: fields, protocol, call, parts and language",
    async (t, browser, files) => {
      const { page } = await openRecorded(t, browser, files);
      const tabTo = async (target: Locator): Promise<void> => {
        for (let presses = 0; presses < 40; presses++) {
          await page.keyboard.press("Tab");
          if (await isFocused(page, target)) return;
        }
        assert.fail("40 times Tab did not lead to the target");
      };
      await tabTo(page.getByLabel("a", { exact: true }));
      await page.keyboard.press("Control+A");
      await page.keyboard.type("300");
      await tabTo(page.getByLabel("b", { exact: true }));
      await page.keyboard.press("Control+A");
      await page.keyboard.type("-1");
      await page.keyboard.press("Enter");
      await wholeTable(page);
      assert.equal(await text(page.locator(".result .answer")), "Answer: sum = 299");
      await tabTo(page.getByLabel("Connect JSON"));
      await page.keyboard.press("ArrowRight");
      assert.ok(await page.getByLabel("Connect binary").isChecked());
      await page.keyboard.press("Enter");
      const parts = page.getByRole("listbox", { name: /^Request: Body, / });
      await page.getByText("Body, 14 bytes").waitFor();
      await tabTo(parts);
      const explanation = page.getByLabel("Request", { exact: true }).locator(".explanation");
      const sentences: string[] = [await text(explanation)];
      for (const key of ["ArrowRight", "ArrowRight", "ArrowRight", "Home", "End", "ArrowLeft"]) {
        await page.keyboard.press(key);
        const active = await parts.getAttribute("aria-activedescendant");
        assert.equal(await page.locator(`[id="${active}"]`).getAttribute("aria-label"), await text(explanation));
        sentences.push(await text(explanation));
      }
      assert.deepEqual(
        sentences.map((sentence) => sentence.split(" ").slice(0, 4).join(" ")),
        [
          "Tag: field 1, a,",
          "Value: 300, int32. A",
          "Tag: field 2, b,",
          "Value: -1, int32. A",
          "Tag: field 1, a,",
          "Value: -1, int32. A",
          "Tag: field 2, b,",
        ],
      );
      assert.deepEqual(
        await page.getByLabel("Request", { exact: true }).locator(".values [data-lit=true]").allInnerTexts(),
        ["b = -1"],
      );
      await page.keyboard.press("Shift+Tab");
      await tabTo(page.getByRole("button", { name: "한국어" }));
      await page.keyboard.press("Space");
      await page.getByRole("button", { name: "호출하기" }).waitFor();
      assert.ok(await isFocused(page, page.getByRole("button", { name: "한국어" })));
    },
  ],
  [
    "pointing at a part explains it and lights up its value, and pointing at a value its parts",
    async (t, browser, files) => {
      const { page } = await openRecorded(t, browser, files);
      await call(page, 1, 2);
      const request = page.getByLabel("Request", { exact: true });
      await request.locator(".part", { hasText: '"b"' }).hover();
      assert.equal(
        await text(request.locator(".explanation")),
        "The name of the field b, spelled out in every message.",
      );
      assert.deepEqual(await request.locator(".values [data-lit=true]").allInnerTexts(), ["b = 2"]);
      await request.locator(".values li", { hasText: "a = 1" }).hover();
      const lit = await request.locator(".part[data-lit=true] .meaning").allInnerTexts();
      assert.deepEqual(lit, ['"a"', ":", "1"]);
    },
  ],
  [
    "the sizes stand side by side: those of the wire for each protocol, and gRPC's worked out",
    async (t, browser, files) => {
      const { page, exchanges } = await openRecorded(t, browser, files);
      await call(page, 20, 22);
      const rows = await page.locator(".sizes tbody tr").all();
      const shown = await Promise.all(
        rows.map(async (row) => [
          await text(row.locator("th")),
          ...(await row.locator(".count").allInnerTexts()).map(Number),
        ]),
      );
      const sizes = PROTOCOLS.map((protocol) => {
        const { request, response } = find(exchanges, protocol);
        const query = request.start.split(" ")[1]?.split("?")[1];
        const there = query === undefined ? request.body.length : query.length + 1;
        return [PROTOCOL_NAMES[protocol], there, response.body.length];
      });
      assert.deepEqual(shown, [...sizes, ["gRPC", 5 + 4, 5 + 2]]);
      assert.equal(
        (await hexOf(page.getByRole("listbox", { name: "The frame that gRPC would send" }))).toString("hex"),
        "000000000408141016",
      );
    },
  ],
  [
    "the lines to paste make the same call, with the numbers and the address of the page in them",
    async (t, browser, files) => {
      const { url } = await startServer(t, { page: files });
      const { page } = await openPage(t, browser, url);
      await page.getByLabel("a", { exact: true }).fill("20");
      await page.getByLabel("b", { exact: true }).fill("22");
      for (const name of ["grpcurl", "buf curl", "curl", "Python", "TypeScript"]) {
        await t.test(name, async (t) => {
          const snippet = await page
            .locator(".lines figure", { has: page.locator(`figcaption b:text-is("${name}")`) })
            .locator("pre")
            .textContent();
          const { code, stdout, stderr } = (await runSnippet(t, name, String(snippet))) ?? {
            code: 0,
            stdout: "sum: 42",
            stderr: "",
          };
          assert.deepEqual([code, stderr], [0, ""]);
          assert.match(stdout, /sum"?: ?42\b/);
        });
      }
    },
  ],
  [
    "it speaks the language of the browser, and keeps the one that is chosen",
    async (t, browser, files) => {
      const { url } = await startServer(t, { page: files });
      const english = await openPage(t, browser, url, { locale: "de" });
      await english.page.getByRole("heading", { name: "One call, seen on the wire" }).waitFor();
      assert.equal(await english.page.locator("html").getAttribute("lang"), "en");
      const korean = await openPage(t, browser, url, { locale: "ko-KR" });
      await korean.page.getByRole("heading", { name: "호출 한 번, 오간 바이트 전부" }).waitFor();
      assert.deepEqual(
        [await korean.page.locator("html").getAttribute("lang"), await korean.page.title()],
        ["ko", "호출 한 번, 오간 바이트 전부"],
      );
      await korean.page.getByRole("button", { name: "호출하기" }).click();
      await wholeTable(korean.page);
      assert.equal(await text(korean.page.locator(".result .answer")), "응답: sum = 3");
      const words = String(await korean.page.locator("main").textContent()).match(/[가-힣]+/g) ?? [];
      assert.ok(words.length > 150, `${words.length} words of Korean`);
      await english.page.getByRole("button", { name: "한국어" }).click();
      await english.page.reload();
      await english.page.getByRole("button", { name: "호출하기" }).waitFor();
      await english.page.getByRole("button", { name: "English" }).click();
      await english.page.getByRole("button", { name: "Call" }).waitFor();
    },
  ],
  ...(["light", "dark"] as const).flatMap((colorScheme) =>
    (["en", "ko"] as const).map(
      (locale): PageTest => [
        `axe finds nothing, in ${locale} on ${colorScheme}, before a call, after it and after an error`,
        async (t, browser, files) => {
          const { url } = await startServer(t, { page: files });
          const { page, takeProblems } = await openPage(t, browser, url, { colorScheme, locale, script: AXE });
          await page.locator(".primary").waitFor();
          await assertAccessible(page);
          await page.locator(".primary").click();
          await wholeTable(page);
          await assertAccessible(page);
          await page.getByRole("listbox").first().focus();
          await assertAccessible(page);
          await page.locator(".tries button").first().click();
          await page.locator(".result .error").waitFor();
          await wholeTable(page);
          await page.locator("#field-a").fill("x");
          await assertAccessible(page);
          assertOnlyRefused(await takeProblems());
        },
      ],
    ),
  ),
  ...[360, 800, 1400].map(
    (width): PageTest => [
      `nothing is wider than a window of ${width} pixels`,
      async (t, browser, files) => {
        for (const locale of ["en", "ko"]) {
          const { page, takeProblems } = await openRecorded(t, browser, files, {
            viewport: { width, height: 800 },
            locale,
          });
          await page.locator(".tries button").first().click();
          await wholeTable(page);
          assert.equal(await page.evaluate("document.documentElement.scrollWidth"), width);
          assertOnlyRefused(await takeProblems());
        }
      },
    ],
  ),
  [
    "the whole chart of the benchmark is in the page",
    async (t, browser, files) => {
      const { url } = await startServer(t, { page: files });
      const { page } = await openPage(t, browser, url);
      await page.getByText("Everything that was measured").click();
      const picture = page.getByRole("img", { name: "Processor time of the server per call" });
      await picture.scrollIntoViewIfNeeded();
      await picture.and(page.locator("img[src$='.svg']")).waitFor();
      await page.waitForFunction("document.querySelector('.chart img').naturalWidth === 840");
    },
  ],
];

/** Opens the page of a server through a proxy that records. */
async function openRecorded(
  t: TestContext,
  browser: Browser,
  files: Page,
  options = {},
): Promise<OpenPage & { exchanges(text: string): RecordedExchange[] }> {
  const { port } = await startServer(t, { page: files });
  const proxy = await startRecordingProxy(t, port);
  return { ...(await openPage(t, browser, proxy.url, options)), exchanges: proxy.exchanges };
}

async function choose(page: BrowserPage, protocol: Protocol): Promise<void> {
  await page.getByLabel(PROTOCOL_NAMES[protocol]).check();
}

async function call(page: BrowserPage, a: number, b: number): Promise<void> {
  await page.getByLabel("a", { exact: true }).fill(String(a));
  await page.getByLabel("b", { exact: true }).fill(String(b));
  await page.getByRole("button", { name: "Call" }).click();
  await page.locator(".result .answer", { hasText: `= ${a + b}` }).waitFor();
  await wholeTable(page);
}

/** Waits until all protocols were called, for their sizes. */
async function wholeTable(page: BrowserPage): Promise<void> {
  await page.locator(".sizes tbody tr").nth(PROTOCOLS.length).waitFor();
}

async function text(locator: Locator): Promise<string> {
  return String(await locator.textContent())
    .replaceAll(/\s+/g, " ")
    .trim();
}

async function isFocused(page: BrowserPage, target: Locator): Promise<boolean> {
  return (await target.and(page.locator(":focus")).count()) > 0;
}

/** The bytes that a view of bytes shows. */
async function hexOf(parts: Locator): Promise<Buffer> {
  return Buffer.from((await parts.locator(".hex").allInnerTexts()).join("").replaceAll(/\s/g, ""), "hex");
}

function find(exchanges: (text: string) => RecordedExchange[], protocol: Protocol): RecordedExchange {
  const type = {
    "connect-json": "application/json",
    "connect-binary": "application/proto",
    "grpc-web": "application/grpc-web+proto",
  };
  const found = exchanges(GET_SUM).find(({ request }) =>
    protocol === "connect-get"
      ? request.start.startsWith("GET ")
      : request.headers.get("content-type") === type[protocol],
  );
  assert.ok(found, `nothing crossed in ${protocol}`);
  return found;
}

async function assertShowsTheWire(
  page: BrowserPage,
  exchanges: (text: string) => RecordedExchange[],
  protocol: Protocol,
): Promise<void> {
  const { request, response } = find(exchanges, protocol);
  const [shownRequest, shownAnswer] = [
    page.getByLabel("Request", { exact: true }),
    page.getByLabel("Answer", { exact: true }),
  ];
  const [method = "", target = ""] = request.start.split(" ");
  const query = (await shownRequest.locator(".text-only .meaning").allInnerTexts()).join("");
  assert.equal((await text(shownRequest.locator(".start"))) + (query && ` ${query}`), `${method} ${target}`);
  assert.equal(await text(shownAnswer.locator(".start")), response.start);
  for (const [shown, { body, headers }] of [
    [shownRequest, request],
    [shownAnswer, response],
  ] as const) {
    assert.deepEqual(await hexOf(shown), Buffer.from(body));
    for (const row of await shown.locator(".headers > div:not(.hidden)").all()) {
      const name = await text(row.locator("dt"));
      assert.equal(await text(row.locator("dd")), headers.get(name), name);
    }
  }
  const shownNames = (await shownAnswer.locator(".headers dt").allInnerTexts()).sort();
  assert.deepEqual(shownNames, [...response.headers.keys()].sort());
}

async function assertAccessible(page: BrowserPage): Promise<void> {
  const found = await page.evaluate(`axe.run().then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => [id, html, failureSummary].join("\n"))))`);
  assert.deepEqual(found, []);
}

function assertOnlyRefused(problems: readonly string[]): void {
  assert.ok(problems.length > 0, "the browser did not say that anything was refused");
  for (const problem of problems) assert.match(problem, REFUSED);
}

/** Undefined where it is skipped for want of the tool. */
async function runSnippet(t: TestContext, name: string, snippet: string) {
  if (name === "TypeScript") return run("node", ["--input-type=module-typescript", "-"], { input: snippet });
  if (name !== "Python") {
    const [program = ""] = name.split(" ");
    if (findJudge(t, program) === undefined) return undefined;
    return run("sh", ["-c", snippet.replace(/^curl/, "curl -s")]);
  }
  const python = findJudge(t, process.env.PYTHON ?? "python3");
  if (python === undefined) return undefined;
  const cwd = join(ROOT, "test/fixtures/post");
  assert.equal((await run("sh", ["-c", `mkdir -p python_out && ${python} run_codegen.py`], { cwd })).code, 0);
  return run(python, ["-c", snippet], { cwd, env: { ...ENV, PYTHONPATH: "python_out" } });
}
