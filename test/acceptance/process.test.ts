/** Tests the process as a user at a shell sees it: output, settings, exit codes and signals. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import http2 from "node:http2";
import net from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LIMIT_SETTINGS } from "../../src/cli/limit-settings.ts";
import { ROOT } from "../support/command.ts";
import { killGroup, MAIN, NO_COMMANDS, runMain, startMain, startProcess } from "../support/process.ts";

const main = (...args: string[]) => runMain(args);
const withEnv = (env: Record<string, string>, ...args: string[]) => runMain(args, env);

test(
  "a ready server prints its address, and a command for each of grpcurl, buf curl and curl",
  NO_COMMANDS,
  async (t) => {
    const { stdout, authority } = await startMain(t);
    assert.match(authority, /^127\.0\.0\.1:[1-9]\d*$/);
    const url = `http://${authority}/calls.v1.CallService/Add`;
    assert.deepEqual(stdout().split("\n"), [
      `listening on http://${authority}`,
      `  grpcurl -plaintext -d '{"a":1,"b":2}' ${authority} calls.v1.CallService/Add`,
      `  npx buf curl --http2-prior-knowledge -d '{"a":1,"b":2}' ${url}`,
      `  curl -H 'Content-Type: application/json' -d '{"a":1,"b":2}' ${url}`,
      "",
    ]);
  },
);

for (const { host, shown } of [
  { host: "0.0.0.0", shown: /^127\.0\.0\.1:/ },
  { host: "localhost", shown: /^(127\.0\.0\.1|\[::1\]):/ },
]) {
  test(`on ${host} it shows an address that a client on this machine can use`, async (t) => {
    const { authority } = await startMain(t, "--host", host);
    assert.match(authority, shown);
  });
}

test("--help names every flag, its variable and its default, and exits 0", async () => {
  const { code, stdout, stderr } = await main("--help");
  assert.deepEqual([code, stderr], [0, ""]);
  for (const word of [
    "--host",
    "HOST",
    "127.0.0.1",
    "--port",
    "PORT",
    "50051",
    "--tls-cert",
    "TLS_CERT",
    "--tls-key",
    "TLS_KEY",
    "--tls-client-ca",
    "TLS_CLIENT_CA",
    "--cors-origins",
    "CORS_ORIGINS",
    "--http2",
    "HTTP2",
  ]) {
    assert.ok(stdout.includes(word), word);
  }
});

for (const flag of ["--version", "-V"]) {
  test(`${flag} prints the name and version of package.json, and exits 0`, async () => {
    const { name, version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
    const line = `${name} ${version} (node ${process.versions.node})\n`;
    assert.deepEqual(await main("--port", "0", flag), { code: 0, stdout: line, stderr: "" });
  });
}

test("one message names every bad setting with its value and the allowed ones, with exit code 2", async () => {
  const args = [
    "--port",
    "65536",
    "--host",
    "a b",
    "--cors-origins",
    "https://a.test/path",
    "--http2",
    "3",
    "--nope",
    "extra",
  ];
  const { code, stdout, stderr } = await main(...args);
  assert.deepEqual([code, stdout], [2, ""]);
  assert.deepEqual(stderr.trimEnd().split("\n"), [
    "--nope: unknown flag; see --help",
    '"extra": must be a flag; see --help',
    '--host: "a b" must be an IP address or a host name',
    '--port: "65536" must be a whole number from 0 to 65535',
    '--cors-origins: "https://a.test/path" must be origins like https://example.com separated by commas, or *',
    '--http2: "3" must be built-in or node',
  ]);
});

test("a flag without its value is named, and the flag after it is read", async () => {
  const { code, stderr } = await main("--port", "--host", "a b", "--cors-origins");
  assert.equal(code, 2);
  assert.deepEqual(stderr.trimEnd().split("\n"), [
    "--port: must be followed by a value",
    "--cors-origins: must be followed by a value",
    '--host: "a b" must be an IP address or a host name',
  ]);
});

test("an origin must have the scheme http or https", async () => {
  const { code, stderr } = await main("--cors-origins", "ftp://a");
  assert.equal(code, 2);
  assert.match(stderr, /^--cors-origins: "ftp:\/\/a" must be origins like https:/);
});

test("an IPv6 address may be in brackets, as in a URL", async (t) => {
  const { authority } = await startMain(t, "--host", "[::1]");
  assert.match(authority, /^\[::1\]:\d+$/);
  for (const host of ["[::1", "[a]", "[]"]) {
    const { code, stderr } = await main("--host", host);
    assert.deepEqual([code, stderr], [2, `--host: ${JSON.stringify(host)} must be an IP address or a host name\n`]);
  }
});

test("a bad setting in the environment is named by its variable", async () => {
  const { code, stderr } = await withEnv({ PORT: "http", CORS_ORIGINS: "null" });
  assert.equal(code, 2);
  assert.match(stderr, /^PORT: "http" must be .*\nCORS_ORIGINS: "null" must be .*\n$/);
});

test("a flag wins over the environment, and an empty variable counts as not set", async () => {
  const { code, stderr } = await withEnv({ PORT: "bad", HOST: "" }, "--port", "0", "--host", "host.invalid");
  assert.equal(code, 1);
  assert.match(stderr, /^listen on host\.invalid port 0: /);
});

test("a port in use is an error of one line with exit code 1", async (t) => {
  const other = net.createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  t.after(() => other.close());
  const { port } = other.address() as net.AddressInfo;
  const result = await main("--port", String(port));
  const stderr = `listen on 127.0.0.1 port ${port}: the port is in use; choose another with --port\n`;
  assert.deepEqual(result, { code: 1, stdout: "", stderr });
});

test("an address of another machine is an error of one line with exit code 1", async () => {
  const stderr = "listen on 192.0.2.1 port 50051: this machine does not have that address\n";
  assert.deepEqual(await main("--host", "192.0.2.1"), { code: 1, stdout: "", stderr });
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  for (const command of [`node ${MAIN}`, "npm start --"]) {
    test(`${signal} to ${command} stops it with exit 0 and leaves no process behind`, async (t) => {
      const [program = "", ...args] = command.split(" ");
      const { child, exit } = await startProcess(t, program, ...args, "--port", "0");
      child.kill(signal);
      assert.equal(await exit, 0);
      assert.equal(killGroup(child, 0), false);
    });
  }
}

test("^C, which reaches npm and the server and then the server again from npm, stops it with exit 0", async (t) => {
  const { child, exit } = await startProcess(t, "npm", "start", "--", "--port", "0");
  killGroup(child, "SIGINT");
  assert.equal(await exit, 0);
  assert.equal(killGroup(child, 0), false);
});

test("the first signal waits for a call in flight, and a second one ends the process with exit code 1", async (t) => {
  const { child, exit, authority } = await startMain(t);
  const session = http2.connect(`http://${authority}`);
  session.on("error", () => {});
  t.after(() => session.destroy());
  await once(session, "connect");
  const call = session.request({
    ":method": "POST",
    ":path": "/calls.v1.CallService/Add",
    "content-type": "application/json",
  });
  call.on("error", () => {});
  call.write("{");
  await new Promise<void>((resolve) => session.ping(() => resolve())); // the call is there
  child.kill("SIGTERM");
  await once(session, "goaway");
  child.kill("SIGINT");
  assert.equal(await exit, 1);
});

test("a server keeps running when the reader of its output has gone", async (t) => {
  const { child, exit, authority } = await startMain(t);
  for (const output of [child.stdout, child.stderr]) output?.destroy();
  for (let i = 0; i < 3; i++) {
    // TLS to the plain port, which is worth a line a second.
    const { hostname, port } = new URL(`http://${authority}`);
    const stranger = net
      .connect(Number(port), hostname)
      .on("error", () => {})
      .resume();
    stranger.write(Buffer.of(0x16, 3, 1, 0, 5));
    await once(stranger, "close");
    await sleep(1_050);
  }
  const answer = await fetch(`http://${authority}/`);
  assert.equal(answer.status, 200);
  child.kill("SIGTERM");
  assert.equal(await exit, 0);
});

test("the maximum of each time limit is within the maximum of Node's timers", async (t) => {
  const flags = Object.values(LIMIT_SETTINGS).flatMap(({ flag }) => [`--${flag}`, String(2 ** 31 - 1)]);
  const { child, exit, authority, stderr } = await startMain(t, ...flags);
  await (await fetch(`http://${authority}/`)).text();
  child.kill("SIGTERM");
  assert.equal(await exit, 0);
  assert.doesNotMatch(stderr(), /Warning/);
});
