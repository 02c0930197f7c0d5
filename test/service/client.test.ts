/** Tests the client script as a user at a shell sees it. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import http2 from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { routes } from "../../src/routes.ts";
import { AUTHORITY, LOOPBACK, SERVER, selfSigned } from "../support/certificates.ts";
import { ENV, ROOT, run } from "../support/command.ts";
import { startServer } from "../support/server.ts";

const FOLDER = await mkdtemp(join(tmpdir(), "client-"));
after(() => rm(FOLDER, { recursive: true }));

/** Writes a file with this text. Returns its path. */
async function file(name: string, text: string): Promise<string> {
  await writeFile(join(FOLDER, name), text);
  return join(FOLDER, name);
}

const CA = await file("ca.pem", AUTHORITY.cert);
const IDENTITY = await AUTHORITY.issue({ subject: "CN=a client" });
const CERT = await file("cert.pem", IDENTITY.cert);
const KEY = await file("key.pem", IDENTITY.key);
const STRANGER = await selfSigned({ subject: "CN=a stranger" });
const STRANGE_CERT = await file("stranger.pem", STRANGER.cert);
const STRANGE_KEY = await file("stranger-key.pem", STRANGER.key);
const NO_PEM = await file("no.pem", "nothing");
const LOCKED = await file(
  "locked.pem",
  "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGk\n-----END ENCRYPTED PRIVATE KEY-----\n",
);
const HTTPS = ["--url", "https://127.0.0.1:1"];

const client = (...args: string[]) => run("node", ["src/client/client.ts", ...args]);
const transcript = (sum: number) => `-------------- Get Sum --------------\nReceived sum: sum: ${sum}\n`;

test("without numbers it prints the transcript of the tutorial", async (t) => {
  const { url } = await startServer(t, { routes });
  const post = await readFile(join(ROOT, "test/service/post/transcript.txt"), "utf8");
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
    const { url } = await startServer(t, { routes });
    assert.deepEqual(await client("--url", url, ...args), { code: 0, stdout: transcript(sum), stderr: "" });
  });
}

test("each flag changes the requests", async (t) => {
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
    ["--timeout", "2m"],
  ]) {
    await client("--url", url, "--http", "1.1", ...args);
  }
  const [plain, json, get, web, extras, minutes] = seen;
  assert.deepEqual([plain?.method, plain?.headers["content-type"]], ["POST", "application/proto"]);
  assert.deepEqual([json?.method, json?.headers["content-type"]], ["POST", "application/json"]);
  assert.match(`${get?.method} ${get?.path}`, /^GET \/test\.Test\/GetSum\?.*encoding=json/);
  assert.equal(web?.headers["content-type"], "application/grpc-web+proto");
  assert.deepEqual([extras?.headers["connect-timeout-ms"], extras?.headers["x-one"]], ["1500", "1"]);
  assert.equal(minutes?.headers["connect-timeout-ms"], "120000");
});

for (const { args, message } of [
  { args: ["-1"], message: 'expected two numbers to add, or none for 1 and 2; got 1: "-1"' },
  { args: ["1", "2", "3"], message: 'expected two numbers to add, or none for 1 and 2; got 3: "1" "2" "3"' },
  { args: ["2147483648", "1"], message: 'add "2147483648": must be a whole number from -2147483648 to 2147483647' },
  { args: ["1", "-2147483649"], message: 'add "-2147483649": must be a whole number from -2147483648 to 2147483647' },
  { args: ["1.5", "1"], message: 'add "1.5": must be a whole number from -2147483648 to 2147483647' },
  { args: ["one", "1"], message: 'add "one": must be a whole number from -2147483648 to 2147483647' },
  { args: ["--url", "localhost:50051"], message: '--url "localhost:50051": must be like http://127.0.0.1:50051' },
  { args: ["--protocol", "soap"], message: '--protocol "soap": must be one of connect, grpc, grpcweb' },
  { args: ["--http", "3"], message: '--http "3": must be one of 2, 1.1' },
  { args: ["--protocol", "grpc", "--http", "1.1"], message: "--http 1.1: gRPC needs HTTP/2" },
  { args: ["--protocol", "grpc", "--get"], message: "--get: needs --protocol connect" },
  { args: ["--protocol", "grpcweb", "--get"], message: "--get: needs --protocol connect" },
  ...["0", "-1", "0s", "5 s", "28h", "1KiB", "off"].map((text) => ({
    args: ["--timeout", text],
    message: `--timeout "${text}": must be a whole number of ms from 1 to 99999999 or with a unit (500ms, 5s, 1m, 1h)`,
  })),
  { args: ["--header", "nothing"], message: '--header "nothing": must be like name: value' },
  { args: ["--header", ": nameless"], message: '--header ": nameless": must be like name: value' },
  {
    args: ["--header", "Connection: close"],
    message: '--header "Connection: close": is set by the HTTP client and cannot be changed',
  },
  {
    args: ["--header", "te: gzip"],
    message: '--header "te: gzip": is set by the HTTP client and cannot be changed',
  },
  { args: ["--ca", CA], message: "--ca: needs a URL that begins with https://" },
  { args: [...HTTPS, "--cert", CERT], message: "--cert: must come with --key" },
  { args: ["--url", "HTTPS://127.0.0.1:1", "--key", KEY], message: "--key: must come with --cert" },
  {
    args: ["--url", "HTTPS://127.0.0.1:1", "--cert", CERT, "--key", LOCKED],
    message: `--key "${LOCKED}": must be without a passphrase`,
  },
  { args: [...HTTPS, "--key", KEY], message: "--key: must come with --cert" },
  { args: [...HTTPS, "--ca", "/no/such.pem"], message: '--ca "/no/such.pem": cannot be read (ENOENT)' },
  { args: [...HTTPS, "--ca", NO_PEM], message: `--ca "${NO_PEM}": has no certificate in PEM` },
  { args: [...HTTPS, "--ca", KEY], message: `--ca "${KEY}": has no certificate in PEM` },
  { args: [...HTTPS, "--cert", CERT, "--key", CERT], message: `--key "${CERT}": has no private key in PEM` },
  {
    args: [...HTTPS, "--cert", CERT, "--key", STRANGE_KEY],
    message: `use --cert ${CERT}, --key ${STRANGE_KEY}: key values mismatch`,
  },
  { args: ["--nope"], message: "--nope: unknown flag; see --help" },
  { args: ["-n"], message: "-n: unknown flag; see --help" },
  { args: ["--nope=1"], message: "--nope: unknown flag; see --help" },
  { args: ["--url"], message: "--url: must be followed by a value; see --help" },
  { args: ["--url", "--json"], message: "--url: must be followed by a value; see --help" },
  { args: ["--json=yes"], message: "--json: takes no value; see --help" },
]) {
  test(`${args.join(" ")} is refused with a sentence and exit 2`, async () => {
    assert.deepEqual(await client(...args), { code: 2, stdout: "", stderr: `${message}\n` });
  });
}

for (const protocol of ["connect", "grpc", "grpcweb"]) {
  test(`an error over ${protocol} is its code and message on stderr, nothing on stdout, and exit 1`, async (t) => {
    const { url } = await startServer(t, { routes });
    const stderr = "out_of_range: add 2147483647 and 1: 2147483648 is outside int32, -2147483648 to 2147483647\n";
    const result = await client("--url", url, "--protocol", protocol, "2147483647", "1");
    assert.deepEqual(result, { code: 1, stdout: "", stderr });
  });
}

test("a call that the server refused before it ran is retried", async (t) => {
  const { port } = await startServer(t, { routes });
  let streams = 0;
  const proxy = http2.createServer().on("stream", (stream: http2.ServerHttp2Stream, headers) => {
    stream.on("error", () => {});
    if (++streams === 1) return stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
    const upstream = http2.connect(`http://127.0.0.1:${port}`);
    const request = upstream.request({ ...headers, ":authority": `127.0.0.1:${port}` });
    stream.pipe(request).on("response", (response) => {
      stream.respond(response);
      request.pipe(stream).on("close", () => upstream.close());
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  t.after(() => proxy.close());
  const url = `http://127.0.0.1:${(proxy.address() as { port: number }).port}`;
  assert.deepEqual(await client("--url", url, "20", "22"), { code: 0, stdout: transcript(42), stderr: "" });
  assert.equal(streams, 2);
});

test("without a server, it prints the address and the command that starts one, and exits with 1", async (t) => {
  const { url, server } = await startServer(t, { routes });
  await server.close({ graceMs: 1000 });
  const stderr = `call ${url}: cannot connect (ECONNREFUSED); npm start starts a server\n`;
  assert.deepEqual(await client("--url", url), { code: 1, stdout: "", stderr });
});

test("a server that does not respond in time is deadline_exceeded with exit code 1", async (t) => {
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

const VARIANTS = [
  [],
  ["--http", "1.1"],
  ["--protocol", "grpc"],
  ["--protocol", "grpcweb"],
  ["--protocol", "grpcweb", "--http", "1.1"],
];

for (const args of VARIANTS) {
  test(`over TLS, with --ca ${args.join(" ")}, it prints the sum`, async (t) => {
    const { url } = await startServer(t, { routes, tls: SERVER });
    const result = await client("--url", url, "--ca", CA, ...args, "20", "22");
    assert.deepEqual(result, { code: 0, stdout: transcript(42), stderr: "" });
  });

  test(`over mutual TLS, with --cert and --key ${args.join(" ")}, it prints the sum`, async (t) => {
    const { url } = await startServer(t, { routes, tls: { ...SERVER, clientCa: AUTHORITY.cert } });
    const result = await client("--url", url, "--ca", CA, "--cert", CERT, "--key", KEY, ...args, "20", "22");
    assert.deepEqual(result, { code: 0, stdout: transcript(42), stderr: "" });
  });
}

const PAST = { from: new Date(1e12), to: new Date(1.1e12) };
const OUTDATED = await AUTHORITY.issue({ subject: "CN=outdated", names: LOOPBACK, ...PAST });
const ELSEWHERE = await AUTHORITY.issue({ subject: "CN=elsewhere", names: [{ type: "dns", value: "a.example" }] });
const MUTUAL = { ...SERVER, clientCa: AUTHORITY.cert };

for (const { name, tls, scheme = "https", flags = ["--ca", CA], says, logged } of [
  {
    name: "https to a plain port",
    says: "the server does not speak TLS; try a URL that begins with http://",
    logged: /^refuse a connection from 127\.0\.0\.1: it speaks TLS, and this port is plain$/,
  },
  {
    name: "http to a TLS port",
    tls: SERVER,
    scheme: "http",
    flags: [],
    says: /^the server does not speak plain HTTP \((HTTP 400|Protocol error)\); try a URL that begins with https:\/\/$/,
    logged: /^refuse a connection from 127\.0\.0\.1: it speaks plain text, and this port speaks TLS$/,
  },
  {
    name: "a server of an authority that is not trusted",
    tls: SERVER,
    flags: [],
    says: "no trusted authority signed the server's certificate; --ca FILE names one to trust",
  },
  {
    name: "a server of another authority than --ca has",
    tls: SERVER,
    flags: ["--ca", STRANGE_CERT],
    says: "no trusted authority signed the server's certificate; --ca FILE names one to trust",
  },
  {
    name: "a server whose certificate has expired",
    tls: OUTDATED,
    says: "the server's certificate has expired or is not valid yet",
  },
  { name: "a server of another name", tls: ELSEWHERE, says: "the server's certificate is for another name" },
  {
    name: "a server that requires a certificate, without one",
    tls: MUTUAL,
    says: /^the server (rejected this client|closed the connection); it may require a certificate \(--cert, --key\)$/,
    logged: /^refuse a connection from 127\.0\.0\.1: it has no client certificate$/,
  },
  {
    name: "a server that requires a certificate, with one that it does not trust",
    tls: MUTUAL,
    flags: ["--ca", CA, "--cert", STRANGE_CERT, "--key", STRANGE_KEY],
    says: "the server closed the connection; it may not trust the certificate of --cert",
    logged: /^refuse a connection: its certificate is not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\)$/,
  },
]) {
  for (const http of ["1.1", "2"]) {
    test(`${name} is an error of one line with exit code 1, over HTTP/${http}`, async (t) => {
      const { authority, log } = await startServer(t, { routes, tls });
      const url = `${scheme}://${authority}`;
      const { code, stdout, stderr } = await client("--url", url, ...flags, "--http", http);
      assert.deepEqual({ code, stdout }, { code: 1, stdout: "" });
      assert.ok(stderr.startsWith(`call ${url}: `), stderr);
      const sentence = stderr.slice(`call ${url}: `.length).trimEnd();
      if (typeof says === "string") assert.equal(sentence, says);
      else assert.match(sentence, says);
      if (logged !== undefined) assert.match(log.splice(0).join("\n"), logged);
    });
  }
}

for (const flag of ["--version", "-V"]) {
  test(`${flag} prints the name and version of package.json, and exits 0`, async () => {
    const { name, version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
    const line = `${name} ${version} (node ${process.versions.node})\n`;
    assert.deepEqual(await client("1", "2", flag), { code: 0, stdout: line, stderr: "" });
  });
}

test("-h is --help", async () => {
  assert.deepEqual(await client("-h"), await client("--help"));
});

test("--help names every flag and exits 0", async () => {
  const { code, stdout } = await client("--help");
  assert.equal(code, 0);
  for (const flag of ["url", "protocol", "json", "get", "http", "timeout", "header", "ca", "cert", "key"])
    assert.match(stdout, RegExp(`--${flag}\\b`));
});

test("npm run client --json 1 2 is refused, and with -- before the flag it prints the sum", async (t) => {
  const { url } = await startServer(t, { routes });
  const wrong = await run("npm", ["run", "client", "--json", "1", "2"]);
  assert.equal(wrong.code, 2);
  const sentence = "--json: taken by npm as its own; put flags after --, as in: npm run client -- --json\n";
  assert.ok(wrong.stderr.includes(sentence), wrong.stderr);
  const right = await run("npm", ["run", "client", "--", "--url", url, "--json", "1", "2"]);
  assert.equal(right.code, 0);
  assert.match(right.stdout, /sum: 3\n$/);
});

test("a user's .npmrc that sets json for npm does not stop the client", async (t) => {
  const { url } = await startServer(t, { routes });
  const npmrc = await file("npmrc", "json=true\n");
  const { code, stdout } = await run("npm", ["run", "client", "--", "--url", url, "1", "2"], {
    env: { ...ENV, npm_config_userconfig: npmrc },
  });
  assert.equal(code, 0);
  assert.match(stdout, /sum: 3\n$/);
});
