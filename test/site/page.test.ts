/** Tests the files of the page over HTTP: which clients get them, in which coding, and with which headers. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { quality } from "../../src/server/site/file.ts";
import { type Page, readPage } from "../../src/server/site/page.ts";
import { HTTP_VERSIONS, type HttpResponse, send } from "../support/http.ts";
import { BROWSER, makePageFolder, SCRIPT } from "../support/page-folder.ts";
import { startServer } from "../support/server.ts";

for (const version of HTTP_VERSIONS) {
  test(`GET / is the page for clients that prefer HTML to text, over ${version}`, async (t) => {
    const { authority } = await startServer(t, { page: await makePage(t) });
    const typeFor = async (accept: string | undefined): Promise<unknown> => {
      const headers: Record<string, string> = accept === undefined ? {} : { accept };
      const response = await send(version, authority, { method: "GET", path: "/", headers });
      assert.match(String(response.headers.vary), /^Accept\b(?!-)/);
      return response.headers["content-type"];
    };
    for (const accept of [BROWSER, "text/html", "text/plain;q=0.5, text/html", "TEXT/HTML;q=0.1"]) {
      assert.equal(await typeFor(accept), "text/html; charset=utf-8", accept);
    }
    for (const accept of [undefined, "*/*", "text/*", "text/plain", "text/html;q=0.5, */*", "text/html;q=0", "a,;q"]) {
      assert.equal(await typeFor(accept), "text/plain; charset=utf-8", String(accept));
    }
  });

  test(`without a page, GET / is text for every client, and the page's files are 404, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    const home = await send(version, authority, { method: "GET", path: "/", headers: { accept: BROWSER } });
    assert.deepEqual([home.headers["content-type"], home.headers.vary], ["text/plain; charset=utf-8", undefined]);
    const file = await send(version, authority, { method: "GET", path: "/-/page-1.js" });
    assert.deepEqual([file.status, JSON.parse(file.body.toString()).code], [404, "unimplemented"]);
  });

  test(`a file is sent in the best coding that the client accepts, over ${version}`, async (t) => {
    const { authority } = await startServer(t, { page: await makePage(t) });
    for (const [accepted, coding, body] of [
      ["gzip, deflate, br", "br", brotliCompressSync(SCRIPT)],
      ["gzip", "gzip", gzipSync(SCRIPT)],
      ["br;q=0, *", "gzip", gzipSync(SCRIPT)],
      ["zstd", undefined, Buffer.from(SCRIPT)],
      ["br;q=0", undefined, Buffer.from(SCRIPT)],
      [undefined, undefined, Buffer.from(SCRIPT)],
    ] as const) {
      const headers: Record<string, string> = accepted === undefined ? {} : { "accept-encoding": accepted };
      const file = await send(version, authority, { method: "GET", path: "/-/page-1.js?x", headers });
      assert.deepEqual([file.status, file.headers["content-encoding"], file.body], [200, coding, body]);
      assert.equal(file.headers["content-type"], "text/javascript; charset=utf-8");
      assert.equal(file.headers.vary, "Accept-Encoding");
    }
  });

  test(`a file with a hash in its name may be cached for ever, and the page is revalidated, over ${version}`, async (t) => {
    const { authority } = await startServer(t, { page: await makePage(t) });
    const get = (path: string, headers: Record<string, string> = {}, method = "GET"): Promise<HttpResponse> =>
      send(version, authority, { method, path, headers: { accept: BROWSER, ...headers } });
    for (const [path, cacheControl] of [
      ["/", "no-cache"],
      ["/-/page-1.js", "public, max-age=31536000, immutable"],
    ] as const) {
      const fresh = await get(path);
      assert.equal(fresh.headers["cache-control"], cacheControl);
      const compressed = await get(path, { "accept-encoding": "br" });
      assert.notEqual(fresh.headers.etag, compressed.headers.etag);
      const known = await get(path, { "if-none-match": `"other", ${fresh.headers.etag}` });
      assert.deepEqual([known.status, known.headers.etag, known.body.length], [304, fresh.headers.etag, 0]);
      const changed = await get(path, { "if-none-match": String(compressed.headers.etag) });
      assert.equal(changed.status, 200);
      const head = await get(path, {}, "HEAD");
      assert.deepEqual([head.status, head.body.length, head.headers.etag], [200, 0, fresh.headers.etag]);
      assert.equal(head.headers["content-length"], String(fresh.body.length));
    }
  });

  test(`the policy of the page allows nothing but its own origin, over ${version}`, async (t) => {
    const { authority } = await startServer(t, { page: await makePage(t) });
    for (const path of ["/", "/-/page-1.js"]) {
      const { headers } = await send(version, authority, { method: "GET", path, headers: { accept: BROWSER } });
      const policy = String(headers["content-security-policy"]).split("; ");
      assert.ok(policy.includes("default-src 'none'") && policy.includes("script-src 'self'"));
      assert.ok(policy.every((directive) => !/unsafe|\*|http|data:/.test(directive)));
      assert.equal(headers["x-content-type-options"], "nosniff");
      assert.equal(headers["referrer-policy"], "no-referrer");
    }
  });

  test(`below /-/ the server has the files of the page and nothing else, by GET and HEAD, over ${version}`, async (t) => {
    const { authority } = await startServer(t, { page: await makePage(t) });
    const names = [
      "",
      "index.html",
      "page-1.js.br",
      "notes.txt",
      "../package.json",
      "%2e%2e/package.json",
      "constructor",
    ];
    for (const name of names) {
      for (const method of ["GET", "HEAD", "POST"]) {
        const { status, body } = await send(version, authority, { method, path: `/-/${name}` });
        const text = method === "HEAD" ? "" : `get "/-/${name}": no such file\n`;
        assert.deepEqual([status, body.toString()], [404, text]);
      }
    }
    const refused = await send(version, authority, { method: "POST", path: "/-/page-1.js", body: "x" });
    assert.deepEqual([refused.status, refused.headers.allow], [405, "GET, HEAD, OPTIONS"]);
    const options = await send(version, authority, { method: "OPTIONS", path: "/-/page-1.js" });
    assert.deepEqual([options.status, options.headers.allow], [204, "GET, HEAD, OPTIONS"]);
    const post = await send(version, authority, { method: "POST", path: "/", headers: { accept: BROWSER } });
    assert.equal(post.status, 405);
  });
}

test("a missing folder, or one without index.html, has no page", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "page-"));
  t.after(() => rm(folder, { recursive: true }));
  assert.equal(readPage(folder), undefined);
  assert.equal(readPage(join(folder, "none")), undefined);
});

test("the exact range decides before the wider ones, and an invalid weight is 0", () => {
  const ranges = ["text/html", "text/*", "*/*"];
  for (const [value, wanted] of [
    ["text/html;q=0.2, text/*;q=0.5, */*", 0.2],
    ["*/*;q=0.1, text/*;level=1;q=0.5", 0.5],
    ["*/*", 1],
    ["image/png", 0],
    ["text/html;q=high", 0],
    ["", 0],
  ] as const) {
    assert.equal(quality(value, ranges), wanted, value);
  }
});

/** Returns a page of two files, from a folder that has another file, too. */
async function makePage(t: TestContext): Promise<Page> {
  return readPage(await makePageFolder(t)) as Page;
}
