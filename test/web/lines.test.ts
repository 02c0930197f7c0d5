/** Runs the commands that the page has to paste, on a port without TLS and with TLS. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Page as BrowserPage } from "playwright-core";
import { openPage } from "../support/browser.ts";
import { AUTHORITY, SERVER } from "../support/certificates.ts";
import { ENV, run } from "../support/command.ts";
import { findJudge, findPython } from "../support/judge.ts";
import { type PageTest, snippet, startPage, TOOLS, testInChromium } from "../support/page-tests.ts";
import { makeWorkspace, runPython, runTypeScript } from "../support/programs.ts";

testInChromium("the page's lines are pasted", [
  [
    "the commands to paste make the same call, with the numbers and the address of the page",
    async (t, browser, files) => {
      const { url } = await startPage(t, files);
      const { page } = await openPage(t, browser, url);
      assert.equal(await page.getByText("-cacert FILE").count(), 0);
      await runSnippets(t, page, (_, snippet) => ({ snippet }));
    },
  ],
  ...[false, true].map(
    (mutual): PageTest => [
      `over ${mutual ? "mutual " : ""}TLS the lines to paste make the call with what the note beside them adds`,
      async (t, browser, files) => {
        const tls = mutual ? { ...SERVER, clientCa: AUTHORITY.cert } : SERVER;
        const { url, log } = await startPage(t, files, { tls });
        const [ca, cert, key] = await writePems(t);
        const clientCertificates = [{ origin: url, certPath: cert, keyPath: key }];
        const { page } = await openPage(t, browser, url, {
          ignoreHTTPSErrors: true,
          ...(mutual && { clientCertificates }),
        });
        const note = String(await page.getByText("-cacert FILE").textContent());
        const isProgram = (name: string): boolean => name === "Python" || name === "TypeScript";
        const names = mutual ? TOOLS.filter((name) => !isProgram(name)) : TOOLS;
        await runSnippets(
          t,
          page,
          (name, snippet) => {
            const env = name === "Python" ? "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH" : "NODE_EXTRA_CA_CERTS";
            if (isProgram(name)) {
              assert.ok(note.includes(`${env}=FILE`), note);
              return { snippet, env: { [env]: ca } };
            }
            const dash = name === "grpcurl" ? "-" : "--";
            const added = [`${dash}cacert FILE`, ...(mutual ? [`${dash}cert FILE ${dash}key FILE`] : [])];
            for (const words of added) assert.ok(note.includes(` ${words} in `), words);
            const files = [ca, cert, key];
            const options = added.join(" ").replaceAll("FILE", () => String(files.shift()));
            return { snippet: snippet.replace(/^(grpcurl|npx buf curl|curl)/, `$1 ${options}`) };
          },
          names,
        );
        // Chromium refuses the certificate before it overlooks that.
        for (const entry of log.splice(0)) assert.match(entry, /it does not trust this server's certificate/);
      },
    ],
  ),
]);

/** Runs the commands of the page with 20 and 22, each after a change. */
async function runSnippets(
  t: TestContext,
  page: BrowserPage,
  change: (name: string, snippet: string) => { readonly snippet: string; readonly env?: NodeJS.ProcessEnv },
  names: readonly string[] = TOOLS,
): Promise<void> {
  const cwd = await makeWorkspace(t, "test/proto");
  await page.getByLabel("a", { exact: true }).fill("20");
  await page.getByLabel("b", { exact: true }).fill("22");
  for (const name of names) {
    await t.test(name, async (t) => {
      const changed = change(name, await snippet(page, name));
      const result = await runSnippet(t, name, changed.snippet, cwd, { ...ENV, ...changed.env });
      if (result === undefined) return;
      assert.deepEqual([result.code, result.stderr], [0, ""]);
      assert.match(result.stdout, /sum"?: ?42\b/);
    });
  }
}

/** Returns undefined if the command is skipped without its tool. */
async function runSnippet(t: TestContext, name: string, snippet: string, cwd: string, env: NodeJS.ProcessEnv) {
  if (name === "TypeScript") return runTypeScript(snippet, cwd, env);
  if (name !== "Python") {
    const [program = ""] = name.split(" ");
    if (findJudge(t, program) === undefined) return undefined;
    return run("sh", ["-c", snippet.replace(/^curl/, "curl -s")], { env });
  }
  const python = await findPython(t, "grpc", "grpc_tools");
  return python === undefined ? undefined : runPython(python, snippet, cwd, env);
}

/** Writes the files of the tests' authority, and of a client's certificate. */
async function writePems(t: TestContext): Promise<readonly [ca: string, cert: string, key: string]> {
  const folder = await mkdtemp(join(tmpdir(), "lines-"));
  t.after(() => rm(folder, { recursive: true }));
  const client = await AUTHORITY.issue({ subject: "CN=a client" });
  const write = async (name: string, pem: string): Promise<string> => {
    await writeFile(join(folder, name), pem);
    return join(folder, name);
  };
  return [
    await write("ca.pem", AUTHORITY.cert),
    await write("cert.pem", client.cert),
    await write("key.pem", client.key),
  ];
}
