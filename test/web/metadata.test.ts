/** Tests the metadata and the deadline that a user types: headers to send, or the problem of each row. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { type MetadataProblem, readMetadata, readTimeout } from "../../web/call/metadata.ts";
import { startBrowser } from "../support/browser.ts";

test("rows of metadata become headers, in their order, without empty rows", () => {
  assert.deepEqual(
    readMetadata([
      [" Authorization ", " Bearer a b "],
      ["", ""],
      ["x-empty", ""],
      ["trace-bin", "AQID, +/8="],
      ["x_a.b-1", "~"],
      ["authorization", "again"],
    ]),
    {
      headers: [
        ["authorization", "Bearer a b"],
        ["x-empty", ""],
        ["trace-bin", "AQID, +/8="],
        ["x_a.b-1", "~"],
        ["authorization", "again"],
      ],
    },
  );
});

const PROBLEMS: readonly (readonly [name: string, value: string, problem: MetadataProblem])[] = [
  ["", "value", "name"],
  ["two words", "", "name"],
  [":path", "", "name"],
  ["naïve", "", "name"],
  ["x\r\ny", "", "name"],
  ["grpc-timeout", "1S", "protocol"],
  ["Connect-Timeout-Ms", "1", "protocol"],
  ["content-type", "text/plain", "protocol"],
  ["Cookie", "a=1", "browser"],
  ["sec-fetch-mode", "x", "browser"],
  ["proxy-authorization", "x", "browser"],
  ["host", "x", "browser"],
  ["x-name", "김밥", "value"],
  ["x-name", "a\r\nb: c", "value"],
  ["x-name", "a\tb", "value"],
  ["x-bin", "not base64!", "binary"],
  ["x-bin", "A", "binary"],
  ["x-bin", "AQID=====", "binary"],
  ["x-bin", "_-8=", "binary"],
];

test("each invalid row has a problem, and then nothing can be sent", () => {
  for (const [name, value, problem] of PROBLEMS) {
    const read = readMetadata([
      ["x-good", "1"],
      [name, value],
      ["x-good", "2"],
    ]);
    assert.deepEqual(read, { problems: new Map([[1, problem]]) }, `${name}: ${value}`);
  }
});

/** Names that look like each other, of which browsers send some. */
const NAMES =
  "accept accept-charset accept-encoding accept-language access-control-request-headers access-control-request-method " +
  "authorization cache-control connection content-length cookie cookie2 date dnt expect forwarded from host keep-alive " +
  "origin pragma priority proxy-x range referer sec-x set-cookie te trailer transfer-encoding upgrade user-agent via " +
  "width x-forwarded-for x-http-method x-http-method-override x-method-override x-sec-x";

test("the names that browsers are said to ignore are those that Chromium does not send", async (t) => {
  const browser = await startBrowser(t);
  if (browser === undefined) return;
  const server = http.createServer((request, response) => {
    const sent = request.rawHeaders.filter((_, i) => i % 2 === 0 && request.rawHeaders[i + 1] === "probe");
    response.setHeader("content-type", "text/plain").end(String(sent));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  for (const name of NAMES.split(" ")) {
    const call = `fetch("/", { method: "POST", body: "x", headers: { "${name}": "probe" } }).then((each) => each.text())`;
    const isSent = ((await page.evaluate(call)) as string).toLowerCase() === name;
    const read = readMetadata([[name, "probe"]]);
    const problem = "problems" in read ? read.problems.get(0) : undefined;
    assert.equal(problem, isSent ? undefined : "browser", name);
  }
});

test("a deadline is a whole number of milliseconds that every protocol can send", () => {
  for (const [typed, read] of [
    ["", undefined],
    ["  ", undefined],
    ["1", 1],
    [" 99999999 ", 99_999_999],
    ["100000000", "invalid"],
    ["0", "invalid"],
    ["-1", "invalid"],
    ["1.5", "invalid"],
    ["1e3", "invalid"],
    ["soon", "invalid"],
  ] as const) {
    assert.equal(readTimeout(typed), read, typed);
  }
});
