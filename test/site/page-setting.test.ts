/** Tests the setting --page of the program: the addresses on which browsers get the page and the schema. */
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { AUTHORITY, SERVER } from "../support/certificates.ts";
import { ENV, ROOT } from "../support/command.ts";
import { HTTP_VERSIONS, send } from "../support/http.ts";
import { BROWSER, HTML, makePageFolder } from "../support/page-folder.ts";
import { type RunningProcess, runMain, startProcessIn } from "../support/process.ts";

const LEFT_OUT = /^no page at \/: listening beyond loopback; --page on serves it there$/m;

interface Case {
  readonly name: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** False if the page is turned off. "left out" if the default leaves it out, and the output says so. */
  readonly served: boolean | "left out";
  readonly isTls?: boolean;
}

const CASES: readonly Case[] = [
  ...["127.0.0.1", "::1", "0:0:0:0:0:0:0:1", "localhost"].map((host) => ({
    name: `on ${host}`,
    args: ["--host", host],
    served: true,
  })),
  ...["0.0.0.0", "::"].flatMap((host): Case[] => [
    { name: `on ${host}`, args: ["--host", host], served: "left out" },
    { name: `on ${host} with --page on`, args: ["--host", host, "--page", "on"], served: true },
  ]),
  { name: "on 0.0.0.0 with PAGE=on", args: ["--host", "0.0.0.0"], env: { PAGE: "on" }, served: true },
  { name: "on 0.0.0.0 with --page loopback", args: ["--host", "0.0.0.0", "--page", "loopback"], served: "left out" },
  { name: "on 0.0.0.0 with --page off", args: ["--host", "0.0.0.0", "--page", "off"], served: false },
  { name: "with --page on", args: ["--page", "on"], served: true },
  { name: "with --page loopback", args: ["--page", "loopback"], served: true },
  { name: "with --no-page", args: ["--no-page"], served: false },
  { name: "with --page off", args: ["--page", "off"], served: false },
  { name: "with PAGE=off", args: [], env: { PAGE: "off" }, served: false },
  { name: "with TLS", args: [], served: true, isTls: true },
  { name: "on 0.0.0.0 with TLS", args: ["--host", "0.0.0.0"], served: "left out", isTls: true },
  { name: "on :: with TLS and --page on", args: ["--host", "::", "--page", "on"], served: true, isTls: true },
];

for (const { name, args, env = {}, served, isTls = false } of CASES) {
  const what = served === true ? "the page is served" : served === false ? "the page is off" : "the page is left out";
  test(`${name}, ${what}, over both HTTP versions`, async (t) => {
    const tls = isTls ? await tlsFlags(t) : [];
    const started = await startScript(t, await makePageFolder(t), [...args, ...tls], env);
    const url = `${isTls ? "https" : "http"}://${started.authority}`;
    for (const version of HTTP_VERSIONS) {
      const get = (path: string) => send(version, url, { method: "GET", path, headers: { accept: BROWSER } });
      const home = await get("/");
      if (served === true) assert.equal(home.body.toString(), HTML);
      else assert.match(home.body.toString(), /^These services answer gRPC/);
      assert.equal(home.headers.vary, served === true ? "Accept, Accept-Encoding" : undefined);
      for (const path of ["/-/page-1.js", "/-/schema"]) {
        assert.equal((await get(path)).status, served === true ? 200 : 404, path);
      }
    }
    if (served === "left out") assert.match(started.stdout(), LEFT_OUT);
    else assert.doesNotMatch(started.stdout(), /page/);
  });
}

test("a host that cannot be resolved is an error, before the page is decided", async () => {
  const { code, stdout, stderr } = await runMain(["--host", "no-such-host.invalid"]);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /^listen on no-such-host\.invalid port \d+: .*host name/);
});

test("an invalid value of --page is an error that names the valid ones", async () => {
  const { code, stderr } = await runMain(["--page", "yes"]);
  assert.deepEqual([code, stderr], [2, '--page: "yes" must be on, off or loopback\n']);
});

test("a page that was built is served, from any working directory", async (t) => {
  const { stdout, authority } = await startCopy(t, { isBuilt: true });
  const home = await send("HTTP/1.1", authority, { method: "GET", path: "/", headers: { accept: BROWSER } });
  assert.equal(home.body.toString(), HTML);
  assert.doesNotMatch(stdout(), /page/);
});

test("without a built page, the output names the command, and every client gets text", async (t) => {
  const { stderr, authority } = await startCopy(t, { isBuilt: false });
  const home = await send("HTTP/1.1", authority, { method: "GET", path: "/", headers: { accept: BROWSER } });
  assert.equal(home.headers["content-type"], "text/plain; charset=utf-8");
  assert.match(stderr(), /^no page at \/: not built yet; npm run build builds it$/m);
});

/** Starts a program with the routes of the tests and the page of the folder. */
async function startScript(
  t: TestContext,
  pageFolder: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<RunningProcess> {
  const script = join(pageFolder, "main.ts");
  await writeFile(
    script,
    `import { run } from ${JSON.stringify(join(ROOT, "src/program/run.ts"))};
import { callRoutes } from ${JSON.stringify(join(ROOT, "test/support/call-service.ts"))};
await run({ routes: callRoutes, pageFolder: import.meta.dirname });`,
  );
  return settled(await startProcessIn(t, ROOT, { ...ENV, ...env }, "node", script, "--port", "0", ...args));
}

/** Starts a copy of src/, with or without a built page, in another working directory. */
async function startCopy(t: TestContext, { isBuilt }: { isBuilt: boolean }): Promise<RunningProcess> {
  const folder = await mkdtemp(join(tmpdir(), "service-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const name of ["src", "gen", "package.json"]) {
    await cp(join(ROOT, name), join(folder, name), { recursive: true });
  }
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  if (isBuilt) {
    await mkdir(join(folder, "web"));
    await cp(await makePageFolder(t), join(folder, "web/dist"), { recursive: true });
  }
  return settled(await startProcessIn(t, tmpdir(), ENV, "node", join(folder, "src/main.ts"), "--port", "0"));
}

/** Waits until all output of the start has arrived: it precedes the response to a request. */
async function settled(started: RunningProcess): Promise<RunningProcess> {
  const scheme = /^listening on (https?):/m.exec(started.stdout())?.[1];
  await send("HTTP/1.1", `${scheme}://${started.authority}`, { method: "GET", path: "/" });
  return started;
}

/** Writes a certificate for loopback. Returns the flags of the program. */
async function tlsFlags(t: TestContext): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), "tls-"));
  t.after(() => rm(folder, { recursive: true }));
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  await writeFile(cert, SERVER.cert + AUTHORITY.cert);
  await writeFile(key, SERVER.key);
  return ["--tls-cert", cert, "--tls-key", key];
}
