/** Tests the calls of the page in every protocol: response, errors, and the bytes that a proxy recorded. */
import assert from "node:assert/strict";
import type { Interceptor } from "@connectrpc/connect";
import type { Page as BrowserPage } from "playwright-core";
import { createServer } from "../../src/server/server.ts";
import { PROTOCOL_NAMES, PROTOCOLS, type Protocol } from "../../web/call/protocol.ts";
import { openPage, PLAIN_HOST } from "../support/browser.ts";
import { callRoutes } from "../support/call-service.ts";
import { SERVER } from "../support/certificates.ts";
import {
  assertOnlyRefused,
  call,
  choose,
  find,
  hexOf,
  openRecorded,
  type PageTest,
  PROCEDURE,
  snippet,
  startPage,
  TOOLS,
  testInChromium,
  text,
  wholeTable,
} from "../support/page-tests.ts";
import type { RecordedExchange } from "../support/recording-proxy.ts";

const MAX = 2 ** 31 - 1;

/** Makes responses that may be stored, but must be revalidated. */
const noCache: Interceptor = (next) => async (request) => {
  const response = await next(request);
  response.header.set("Cache-Control", "no-cache");
  return response;
};

testInChromium("the page calls", [
  ...PROTOCOLS.flatMap((protocol): PageTest[] => [
    [
      `a call in ${PROTOCOL_NAMES[protocol]} shows the response, and the recorded bytes`,
      async (t, browser, files) => {
        const { page, exchanges } = await openRecorded(t, browser, files);
        await choose(page, protocol);
        await call(page, 20, 22);
        assert.equal(await text(page.locator(".result .response")), "Response: sum = 42");
        await assertShowsRecorded(page, exchanges, protocol);
      },
    ],
    [
      `an overflow in ${PROTOCOL_NAMES[protocol]} shows code, message and the recorded bytes`,
      async (t, browser, files) => {
        const { page, exchanges, takeProblems } = await openRecorded(t, browser, files);
        await choose(page, protocol);
        await page.getByRole("button", { name: "The largest numbers" }).click();
        await wholeTable(page);
        assert.equal(
          await text(page.locator(".result .error")),
          `out_of_range add ${MAX} and ${MAX}: ${2 * MAX} is outside int32, ${-MAX - 1} to ${MAX}`,
        );
        await assertShowsRecorded(page, exchanges, protocol);
        assertOnlyRefused(await takeProblems());
      },
    ],
    [
      `a rejected message in ${PROTOCOL_NAMES[protocol]} shows code, message and the recorded bytes`,
      async (t, browser, files) => {
        const { page, exchanges, takeProblems } = await openRecorded(t, browser, files);
        await choose(page, protocol);
        await page.getByRole("button", { name: "A truncated message" }).click();
        await wholeTable(page);
        assert.match(await text(page.locator(".result .error")), /^invalid_argument \S/);
        assert.match(await text(page.locator(".result")), /The page cut off the last byte of the message/);
        await assertShowsRecorded(page, exchanges, protocol);
        const saysWhyJson = await page.getByText("Connect sends unary errors in JSON").count();
        assert.equal(saysWhyJson, protocol === "connect-binary" ? 1 : 0);
        const isBinary = protocol === "connect-binary" || protocol === "grpc-web";
        assert.equal(await page.getByLabel("Request", { exact: true }).locator(".malformed").count(), isBinary ? 1 : 0);
        assertOnlyRefused(await takeProblems());
      },
    ],
  ]),
  [
    "a page that is not in a secure context shows the recorded bytes, and leaves out headers that are not sent there",
    async (t, browser, files) => {
      const { page, exchanges, takeProblems } = await openRecorded(t, browser, files, {}, { host: PLAIN_HOST });
      await call(page, 20, 22);
      assert.doesNotMatch(await text(page.locator(".headers .hidden dt")), /Sec-/);
      await assertShowsRecorded(page, exchanges, "connect-json");
      assert.match((await takeProblems()).join(), /^error: The Cross-Origin-Opener-Policy header has been ignored/);
    },
  ],
  [
    "a cookie for the host is sent with a call, and the page mentions it",
    async (t, browser, files) => {
      const { page, exchanges } = await openRecorded(t, browser, files);
      await page.context().addCookies([{ name: "other", value: "1", url: page.url() }]);
      await call(page, 20, 22);
      assert.equal(find(exchanges, "connect-json").request.headers.get("cookie"), "other=1");
      assert.match(await text(page.locator(".headers .hidden")), /Cookie too, if the browser has one for this host/);
    },
  ],
  [
    "a truncated message is truncated in the frame that gRPC would send, too; an empty one gets another note",
    async (t, browser, files) => {
      const { page, takeProblems } = await openRecorded(t, browser, files);
      const frame = page.getByRole("listbox", { name: "The frame that gRPC would send" });
      const shorten = async (protocol: Protocol, a: string, b: string): Promise<string> => {
        await page.reload(); // otherwise the previous outcome would match
        await choose(page, protocol);
        await page.getByLabel("a", { exact: true }).fill(a);
        await page.getByLabel("b", { exact: true }).fill(b);
        await page.getByRole("button", { name: "A truncated message" }).click();
        await wholeTable(page);
        return text(page.locator(".result"));
      };
      assert.match(await shorten("connect-binary", "20", "22"), /The page cut off the last byte of the message/);
      assert.equal((await hexOf(frame)).toString("hex"), "0000000003081410");
      for (const protocol of ["grpc-web", "connect-binary"] as const) {
        assert.match(await shorten(protocol, "0", "0"), /the page added a tag without a value/);
        assert.equal((await hexOf(frame)).toString("hex"), "000000000108");
        assert.match(await text(page.getByLabel("Request", { exact: true })), /Tag: field 1/);
      }
      assert.match(await shorten("connect-json", "0", "0"), /The page cut off the last byte of the message/);
      assertOnlyRefused(await takeProblems());
    },
  ],
  [
    "a value outside int32 is rejected before anything is sent",
    async (t, browser, files) => {
      const { page, exchanges } = await openRecorded(t, browser, files);
      for (const value of ["3000000000", "1.5", "two"]) {
        await page.getByLabel("a", { exact: true }).fill(value);
        assert.match(await text(page.getByRole("alert")), /^Rejected by the client before it sent anything: a .*int32/);
        assert.ok(await page.getByRole("button", { name: "Call" }).isDisabled());
        await page.getByLabel("a", { exact: true }).press("Enter");
      }
      await call(page, 1, 2);
      const sent = exchanges(PROCEDURE).map(({ request }) => request.body.toString("latin1"));
      assert.ok(
        sent.every((body) => !/3000000000|1\.5|two/.test(body)) && sent.length >= PROTOCOLS.length,
        String(sent),
      );
    },
  ],
  [
    "malformed bytes that are not UTF-8 are shown as a question mark, beside their hexadecimal form",
    async (t, browser, files) => {
      const { page, takeProblems } = await openRecorded(t, browser, files);
      await choose(page, "connect-binary");
      await page.getByLabel("b", { exact: true }).fill("300");
      await page.getByRole("button", { name: "A truncated message" }).click();
      await page.locator(".result .error").waitFor();
      const malformed = page.getByLabel("Request", { exact: true }).locator(".part.malformed");
      assert.equal(await text(malformed.locator(".hex")), "ac");
      assert.equal(await text(malformed.locator(".meaning")), "?");
      assert.doesNotMatch(await text(page.locator("main")), /\ufffd/);
      await wholeTable(page);
      assertOnlyRefused(await takeProblems());
    },
  ],
  [
    "a stopped server is an error that says so, and calls succeed when it is back",
    async (t, browser, files) => {
      const { server, url, port } = await startPage(t, files);
      const { page, takeProblems } = await openPage(t, browser, url);
      await call(page, 1, 2);
      await server.close({ idleMs: 0 });
      await page.getByRole("button", { name: "Call" }).click();
      await page.locator(".result .error").waitFor();
      assert.match(await text(page.locator(".result .error")), /^(unknown|unavailable|internal) \S/);
      assert.match(await text(page.locator(".result")), /No response came\. Is the server still running\?/);
      assert.match(await text(page.getByLabel("Request", { exact: true })), new RegExp(`POST ${PROCEDURE}`));
      await page.getByText("No response came, so the sizes cannot be compared.").waitFor();
      assert.match((await takeProblems()).join(), /^error: Failed to load resource: net::ERR_CONNECTION_REFUSED$/);
      const again = createServer({ routes: callRoutes, page: files });
      await again.listen({ host: "127.0.0.1", port });
      t.after(() => again.close({ idleMs: 0 }));
      await call(page, 2, 3);
      assert.equal(await text(page.locator(".result .response")), "Response: sum = 5");
    },
  ],
  [
    "over TLS the page and its calls use HTTP/2, in every protocol, and its commands have the scheme",
    async (t, browser, files) => {
      const { url, log } = await startPage(t, files, { tls: SERVER });
      const { page } = await openPage(t, browser, url, { ignoreHTTPSErrors: true });
      for (const [i, protocol] of PROTOCOLS.entries()) {
        await choose(page, protocol);
        await call(page, i, 40);
        assert.match(await text(page.locator(".result")), / ms, HTTP\/2$/);
        assert.equal(await text(page.getByLabel("Response", { exact: true }).locator(".start")), "HTTP/2 200");
        assert.match(await text(page.locator(".headers .hidden dt")), /^User-Agent, .*Sec-\*/);
      }
      for (const name of TOOLS) {
        assert.match(await snippet(page, name), /https:\/\/|^grpcurl (?!-plaintext)|secure_channel/);
      }
      // Chromium refuses the certificate before it overlooks that.
      for (const entry of log.splice(0)) assert.match(entry, /it does not trust this server's certificate/);
    },
  ],
  ...[true, false].map(
    (hasDeliveryType): PageTest => [
      `a response from the browser's cache is marked${hasDeliveryType ? "" : ", without deliveryType,"} and nothing is sent for it`,
      async (t, browser, files) => {
        const { page, exchanges } = await openRecorded(t, browser, files);
        if (!hasDeliveryType) {
          await page.addInitScript("delete PerformanceResourceTiming.prototype.deliveryType");
          await page.reload();
        }
        await choose(page, "connect-get");
        await call(page, 5, 6);
        const crossed = exchanges(`${PROCEDURE}?`).length;
        assert.doesNotMatch(await text(page.locator("main")), /from the browser's cache/);
        await page.getByRole("button", { name: "Call" }).click();
        await page.getByText("from the browser's cache: nothing was sent or received").first().waitFor();
        await wholeTable(page);
        assert.equal(exchanges(`${PROCEDURE}?`).length, crossed);
        assert.deepEqual(await markedSizes(page), ["Connect GET from the browser's cache"]);
      },
    ],
  ),
  [
    "a revalidated response is distinguished from one that was received completely",
    async (t, browser, files) => {
      const { page, exchanges } = await openRecorded(t, browser, files, {}, { interceptors: [noCache] });
      await choose(page, "connect-get");
      await call(page, 5, 6);
      assert.doesNotMatch(await text(page.locator("main")), /from the browser's cache/);
      await page.getByRole("button", { name: "Call" }).click();
      await page.getByText("the server was asked and sent only a 304").waitFor();
      await wholeTable(page);
      const starts = exchanges(`${PROCEDURE}?`).map(({ response }) => response.start);
      // The proxy lists them by connection, and the browser has several.
      assert.deepEqual(starts.sort(), ["HTTP/1.1 200 OK", "HTTP/1.1 304 Not Modified"]);
      assert.match(await text(page.locator(".result")), / ms$/);
      assert.deepEqual(await markedSizes(page), ["Connect GET from the browser's cache"]);
    },
  ],
]);

/** Returns the rows of the table of sizes with a note that the response came from the cache. */
async function markedSizes(page: BrowserPage): Promise<string[]> {
  const rows = await page.locator(".sizes th[scope=row]", { has: page.locator(".note") }).allTextContents();
  return rows.map((row) => row.trim());
}

async function assertShowsRecorded(
  page: BrowserPage,
  exchanges: (text: string) => RecordedExchange[],
  protocol: Protocol,
): Promise<void> {
  const { request, response } = find(exchanges, protocol);
  const [shownRequest, shownAnswer] = [
    page.getByLabel("Request", { exact: true }),
    page.getByLabel("Response", { exact: true }),
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
  const hidden = (await text(shownRequest.locator(".hidden dt"))).toLowerCase().split(", ");
  const shownOfRequest = await shownRequest.locator(".headers > div:not(.hidden) dt").allInnerTexts();
  for (const name of request.headers.keys()) {
    assert.ok(shownOfRequest.includes(name) || hidden.includes(name.replace(/^sec-.*/, "sec-*")), `${name} is told`);
  }
  for (const name of hidden)
    assert.ok(
      request.headers.keys().some((each) => each.startsWith(name.replace("*", ""))),
      name,
    );
  const shownNames = (await shownAnswer.locator(".headers dt").allInnerTexts()).sort();
  assert.deepEqual(shownNames, [...response.headers.keys()].sort());
}
