/** The client script, as a person at a shell sees it. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import http from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT, run } from "./support/command.ts";
import { startServer } from "./support/server.ts";

const client = (...args: string[]) => run("node", ["src/client.ts", ...args]);
const transcript = (sum: number) => `-------------- Get Sum --------------\nReceived sum: sum: ${sum}\n`;

test("without numbers it prints the post's transcript", async (t) => {
  const { url } = await startServer(t);
  const post = await readFile(join(ROOT, "test/fixtures/post/transcript.txt"), "utf8");
  assert.deepEqual(await client("--url", url), { code: 0, stdout: post, stderr: "" });
});

for (const { args, sum } of [
  { args: ["20", "22"], sum: 42 },
  { args: ["-20", "-22"], sum: -42 },
  { args: ["--protocol", "grpc", "-5", "+3"], sum: -2 },
  { args: ["7", "--protocol", "grpcweb", "-8"], sum: -1 },
  { args: ["--protocol", "grpcweb", "--http", "1.1", "--json", "1", "1"], sum: 2 },
  { args: ["--http", "1.1", "1", "1"], sum: 2 },
  { args: ["--json", "1", "1"], sum: 2 },
  { args: ["--get", "1", "1"], sum: 2 },
  { args: ["--get", "--json", "--http", "1.1", "1", "1"], sum: 2 },
  { args: ["--timeout", "20000", "--header", "x-one: 1", "--header", "x-two:", "1", "1"], sum: 2 },
]) {
  test(`${args.join(" ")} prints ${sum}`, async (t) => {
    const { url } = await startServer(t);
    assert.deepEqual(await client("--url", url, ...args), { code: 0, stdout: transcript(sum), stderr: "" });
  });
}

test("each flag changes what crosses the wire", async (t) => {
  const seen: { method: string; path: string; headers: http.IncomingHttpHeaders }[] = [];
  const server = http.createServer((request, response) => {
    seen.push({ method: request.method ?? "", path: request.url ?? "", headers: request.headers });
    response.writeHead(500).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  for (const args of [
    [],
    ["--json"],
    ["--get", "--json"],
    ["--protocol", "grpcweb"],
    ["--timeout", "1500", "--header", "X-One: 1"],
  ]) {
    await client("--url", url, "--http", "1.1", ...args);
  }
  const [plain, json, get, web, extras] = seen;
  assert.deepEqual([plain?.method, plain?.headers["content-type"]], ["POST", "application/proto"]);
  assert.deepEqual([json?.method, json?.headers["content-type"]], ["POST", "application/json"]);
  assert.match(`${get?.method} ${get?.path}`, /^GET \/test\.Test\/GetSum\?.*encoding=json/);
  assert.equal(web?.headers["content-type"], "application/grpc-web+proto");
  assert.deepEqual([extras?.headers["connect-timeout-ms"], extras?.headers["x-one"]], ["1500", "1"]);
});

for (const { args, message } of [
  { args: ["1"], message: "add 1 numbers: must be two" },
  { args: ["1", "2", "3"], message: "add 3 numbers: must be two" },
  { args: ["2147483648", "1"], message: 'add "2147483648": must be a whole number from -2147483648 to 2147483647' },
  { args: ["1", "-2147483649"], message: 'add "-2147483649": must be a whole number from -2147483648 to 2147483647' },
  { args: ["1.5", "1"], message: 'add "1.5": must be a whole number from -2147483648 to 2147483647' },
  { args: ["one", "1"], message: 'add "one": must be a whole number from -2147483648 to 2147483647' },
  { args: ["--url", "localhost:50051"], message: '--url "localhost:50051": must be like http://127.0.0.1:50051' },
  { args: ["--protocol", "soap"], message: '--protocol "soap": must be one of connect, grpc, grpcweb' },
  { args: ["--http", "3"], message: '--http "3": must be one of 2, 1.1' },
  { args: ["--protocol", "grpc", "--http", "1.1"], message: "--http 1.1: gRPC needs HTTP/2" },
  { args: ["--protocol", "grpc", "--get"], message: "--get: grpc has no GET; connect has" },
  { args: ["--protocol", "grpcweb", "--get"], message: "--get: grpcweb has no GET; connect has" },
  { args: ["--timeout", "0"], message: '--timeout "0": must be milliseconds from 1 to 99999999' },
  { args: ["--timeout", "-1"], message: '--timeout "-1": must be milliseconds from 1 to 99999999' },
  { args: ["--header", "nothing"], message: '--header "nothing": must be like name: value' },
  { args: ["--header", ": nameless"], message: '--header ": nameless": must be like name: value' },
  { args: ["--nope"], message: "unknown option '--nope'; see --help" },
  { args: ["--url"], message: "option '--url <value>' argument missing; see --help" },
]) {
  test(`${args.join(" ")} is refused with a sentence and exit 2`, async () => {
    assert.deepEqual(await client(...args), { code: 2, stdout: "", stderr: `${message}\n` });
  });
}

for (const protocol of ["connect", "grpc", "grpcweb"]) {
  test(`an error over ${protocol} is its code and message on stderr, nothing on stdout, and exit 1`, async (t) => {
    const { url } = await startServer(t);
    const stderr = "out_of_range: add 2147483647 and 1: 2147483648 is outside int32, -2147483648 to 2147483647\n";
    const result = await client("--url", url, "--protocol", protocol, "2147483647", "1");
    assert.deepEqual(result, { code: 1, stdout: "", stderr });
  });
}

test("where no server is, it says so, with the address and what to start, and exits 1", async (t) => {
  const { url, server } = await startServer(t);
  await server.close({ graceMs: 1000 });
  const stderr = `call ${url}: no server there (ECONNREFUSED); npm start starts one\n`;
  assert.deepEqual(await client("--url", url), { code: 1, stdout: "", stderr });
});

test("a server that does not answer in time is deadline_exceeded and exit 1", async (t) => {
  const silent = http.createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    silent.close();
    silent.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(silent.address() as { port: number }).port}`;
  const { code, stdout, stderr } = await client("--url", url, "--http", "1.1", "--timeout", "100");
  assert.deepEqual({ code, stdout }, { code: 1, stdout: "" });
  assert.match(stderr, /^deadline_exceeded: /);
});

test("--help names every flag and exits 0", async () => {
  const { code, stdout } = await client("--help");
  assert.equal(code, 0);
  for (const flag of ["url", "protocol", "json", "get", "http", "timeout", "header"])
    assert.match(stdout, RegExp(`--${flag}\\b`));
});
