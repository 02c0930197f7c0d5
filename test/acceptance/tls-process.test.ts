/** Tests the process with TLS as a user at a shell sees it: its files, its output and SIGHUP. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { chmod, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import http2 from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import { AUTHORITY, type Certified, LOOPBACK, SERVER, selfSigned } from "../support/certificates.ts";
import { run } from "../support/command.ts";
import { send } from "../support/http.ts";
import { findJudge } from "../support/judge.ts";
import { MAIN, NO_COMMANDS, type RunningProcess, runMain, startMain, startProcess } from "../support/process.ts";

const FOLDER = await mkdtemp(join(tmpdir(), "tls with a space and a 'quote'-"));
after(() => rm(FOLDER, { recursive: true }));

/** Writes a file with this text. Returns its path. */
async function file(name: string, text: string): Promise<string> {
  await writeFile(join(FOLDER, name), text);
  return join(FOLDER, name);
}

const CERT = await file("cert.pem", SERVER.cert);
const KEY = await file("key.pem", SERVER.key);
const CA = await file("ca.pem", AUTHORITY.cert);
const OTHER = await AUTHORITY.issue({ subject: "CN=other", names: LOOPBACK });
const OTHER_KEY = await file("other-key.pem", OTHER.key);
const NO_PEM = await file("no.pem", "nothing");
const BROKEN = await file("broken.pem", SERVER.cert.replace(/\n.{10}/, "\n"));
const { privateKey } = generateKeyPairSync("x25519");
const AGREEMENT_KEY = await file("x25519.pem", String(privateKey.export({ type: "pkcs8", format: "pem" })));
const LOCKED = await file(
  "locked.pem",
  "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGk\n-----END ENCRYPTED PRIVATE KEY-----\n",
);
const FORBIDDEN = await file("forbidden.pem", SERVER.cert);
await chmod(FORBIDDEN, 0);
const ABSENT = join(FOLDER, "absent.pem");
const [PAST, FUTURE] = [
  { from: new Date("2001-02-03"), to: new Date("2002-02-03") },
  { from: new Date("2101-02-03"), to: new Date("2102-02-03") },
];
const OLD = await AUTHORITY.issue({ subject: "CN=old, O=us", ...PAST });
const OLD_CERT = await file("old.pem", OLD.cert);
const OLD_KEY = await file("old-key.pem", OLD.key);
const EARLY = await AUTHORITY.issue({ subject: "CN=early", ...FUTURE });
const EARLY_CERT = await file("early.pem", EARLY.cert);
const EARLY_KEY = await file("early-key.pem", EARLY.key);
const OLD_CHAIN = await file("old-chain.pem", SERVER.cert + OLD.cert);
const CUT_CAS = await file("cut-cas.pem", AUTHORITY.cert + OLD.cert.slice(0, 200));
const BOTH_CAS = await file("both-cas.pem", OLD.cert + AUTHORITY.cert);

const main = (...args: string[]) => runMain(["--port", "0", ...args]);

for (const [args, sentence] of [
  [["--tls-cert", CERT], "--tls-key: must be given with --tls-cert"],
  [["--tls-key", KEY], "--tls-cert: must be given with --tls-key"],
  [["--tls-client-ca", CA], "--tls-cert: must be given with --tls-client-ca"],
  [["--tls-cert", ABSENT, "--tls-key", KEY], `read certificate ${ABSENT}: the file does not exist`],
  [["--tls-cert", FOLDER, "--tls-key", KEY], `read certificate ${FOLDER}: it is a directory`],
  [["--tls-cert", NO_PEM, "--tls-key", KEY], `read certificate ${NO_PEM}: it has no certificate in PEM`],
  [["--tls-cert", BROKEN, "--tls-key", KEY], `read certificate ${BROKEN}: it has no certificate in PEM`],
  [["--tls-cert", KEY, "--tls-key", CERT], `read certificate ${KEY}: it has no certificate in PEM`],
  [["--tls-cert", CERT, "--tls-key", ABSENT], `read key ${ABSENT}: the file does not exist`],
  [["--tls-cert", CERT, "--tls-key", CERT], `read key ${CERT}: it has no private key in PEM`],
  [["--tls-cert", CERT, "--tls-key", LOCKED], `read key ${LOCKED}: it must be without a passphrase`],
  [
    ["--tls-cert", CERT, "--tls-key", AGREEMENT_KEY],
    `use key ${AGREEMENT_KEY}: it is of x25519, and must be of RSA, an elliptic curve or EdDSA`,
  ],
  [
    ["--tls-cert", CERT, "--tls-key", OTHER_KEY],
    `use key ${OTHER_KEY}: it does not belong to the first certificate in ${CERT}`,
  ],
  [
    ["--tls-cert", OLD_CERT, "--tls-key", OLD_KEY],
    `use certificate ${OLD_CERT}: "CN=old, O=us" expired at 2002-02-03T00:00:00.000Z`,
  ],
  [
    ["--tls-cert", OLD_CHAIN, "--tls-key", KEY],
    `use certificate ${OLD_CHAIN}: "CN=old, O=us" expired at 2002-02-03T00:00:00.000Z`,
  ],
  [
    ["--tls-cert", EARLY_CERT, "--tls-key", EARLY_KEY],
    `use certificate ${EARLY_CERT}: "CN=early" is not valid before 2101-02-03T00:00:00.000Z`,
  ],
  [
    ["--tls-cert", CERT, "--tls-key", KEY, "--tls-client-ca", ABSENT],
    `read client authority ${ABSENT}: the file does not exist`,
  ],
  [
    ["--tls-cert", CERT, "--tls-key", KEY, "--tls-client-ca", KEY],
    `read client authority ${KEY}: it has no certificate in PEM`,
  ],
  [
    ["--tls-cert", CERT, "--tls-key", KEY, "--tls-client-ca", CUT_CAS],
    `read client authority ${CUT_CAS}: a certificate in it has no end`,
  ],
  [["--tls-cert", CERT, "--tls-key", KEY, "--tls-client-ca", ""], '--tls-client-ca: "" must be the path of a file'],
  [
    ["--tls-cert", CERT, "--tls-key", KEY, "--tls-client-ca", OLD_CERT],
    `use client authority ${OLD_CERT}: "CN=old, O=us" expired at 2002-02-03T00:00:00.000Z`,
  ],
] as const) {
  test(`${args.join(" ").replaceAll(FOLDER, "FOLDER")} is a sentence and exit 2`, async () => {
    assert.deepEqual(await main(...args), { code: 2, stdout: "", stderr: `${sentence}\n` });
  });
}

test("a certificate that the process may not read is an error with exit code 2", async (t) => {
  if (process.getuid?.() === 0) return t.skip("root may read every file");
  const stderr = `read certificate ${FORBIDDEN}: no permission to read it\n`;
  assert.deepEqual(await main("--tls-cert", FORBIDDEN, "--tls-key", KEY), { code: 2, stdout: "", stderr });
});

test("the files may be named in the environment", async () => {
  const { code, stderr } = await runMain([], { TLS_CERT: CERT, TLS_KEY: ABSENT });
  assert.deepEqual([code, stderr], [2, `read key ${ABSENT}: the file does not exist\n`]);
});

test("an expired client authority is accepted beside a valid one", async (t) => {
  const { authority } = await startMain(t, "--tls-cert", CERT, "--tls-key", KEY, "--tls-client-ca", BOTH_CAS);
  assert.match(authority, /:\d+$/);
});

// The lines in the output.

const CLIENT = await AUTHORITY.issue({ subject: "CN=a client" });
const CLIENT_CERT = await file("client.pem", CLIENT.cert);
const CLIENT_KEY = await file("client-key.pem", CLIENT.key);
const dns = (value: string) => [{ type: "dns", value }] as const;

for (const [name, certified, host] of [
  ["signed by itself", await selfSigned({ subject: "CN=self", names: LOOPBACK }), "127.0.0.1"],
  ["of an authority", SERVER, "127.0.0.1"],
  ["of localhost alone", await selfSigned({ subject: "CN=self", names: dns("localhost") }), "localhost"],
  ["of another host", await selfSigned({ subject: "CN=self", names: dns("a.example") }), "127.0.0.1"],
  ["of a domain", await selfSigned({ subject: "CN=self", names: dns("*.a.example") }), "127.0.0.1"],
] as const) {
  for (const mutual of [false, true]) {
    test(
      `with a certificate ${name}${mutual ? ", over mutual TLS," : ""} each line that it prints works as it stands`,
      NO_COMMANDS,
      async (t) => {
        const cert = await file(`${name}.pem`, certified.cert);
        const key = await file(`${name}-key.pem`, certified.key);
        const clientCa = mutual ? ["--tls-client-ca", CA] : [];
        const { authority, stdout } = await startMain(t, "--tls-cert", cert, "--tls-key", key, ...clientCa);
        const [first, ...lines] = stdout().trim().split("\n  ");
        assert.equal(first, `listening on https://${authority}`);
        assert.equal(authority.replace(/:\d+$/, ""), host);
        assert.deepEqual(
          lines.map((line) => /^grpcurl|buf curl|curl/.exec(line)?.[0]),
          ["grpcurl", "buf curl", "curl"],
        );
        await runLines(t, lines, mutual);
      },
    );
  }
}

for (const [name, certified, ca] of [
  ["signed by itself", await selfSigned({ subject: "CN=self", names: LOOPBACK }), true],
  ["of an authority", SERVER, false],
] as const) {
  for (const mutual of [false, true]) {
    test(`with a certificate ${name}${mutual ? ", over mutual TLS," : ""} the lines at / work with the files of the reader`, async (t) => {
      const cert = await file(`${name} home.pem`, certified.cert);
      const key = await file(`${name} home-key.pem`, certified.key);
      const clientCa = mutual ? ["--tls-client-ca", CA] : [];
      const { authority } = await startMain(t, "--tls-cert", cert, "--tls-key", key, ...clientCa);
      const home = await homeOf(authority, certified.cert + AUTHORITY.cert);
      const lines = home.split("\n").filter((line) => /^ {2}(grpcurl|npx buf curl|curl) /.test(line));
      assert.equal(lines.length, 3);
      for (const line of lines) {
        assert.equal(/-cacert FILE/.test(line), ca, line);
        assert.equal(/-cert FILE -?-key FILE/.test(line), mutual, line);
        assert.doesNotMatch(home, /-plaintext|prior-knowledge|http:|\.pem/);
      }
      if (ca)
        await runLines(
          t,
          lines.map((line) => line.replace("cacert FILE", `cacert ${quoted(cert)}`)),
          mutual,
        );
    });
  }
}

// SIGHUP.

test("SIGHUP loads new files, and no connection is dropped", async (t) => {
  const [cert, key] = await serverFiles("renewed", SERVER);
  const server = await startMain(t, "--tls-cert", cert, "--tls-key", key);
  const session = http2.connect(`https://${server.authority}`, { ca: AUTHORITY.cert });
  t.after(() => session.destroy());
  const call = () =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ":path": "/" });
      stream
        .on("response", ({ ":status": status }) => resolve(status))
        .on("error", reject)
        .resume();
    });
  assert.equal(await call(), 200);
  assert.equal(await subject(server), "the tests' server");
  await serverFiles("renewed", OTHER);
  server.child.kill("SIGHUP");
  await printed(server.stdout, /^loaded certificate .*renewed\.pem, valid until \d{4}-\d\d-\d\dT/m);
  assert.equal(await subject(server), "other");
  assert.equal(await call(), 200);
  assert.equal(session.closed || session.destroyed, false);
});

test("after SIGHUP with a bad file the old certificate stays, and the log names the file and the reason", async (t) => {
  const [cert, key] = await serverFiles("spoiled", SERVER);
  const server = await startMain(t, "--tls-cert", cert, "--tls-key", key);
  await writeFile(key, OTHER.key);
  server.child.kill("SIGHUP");
  const kept = "keep the TLS credentials that were loaded before:";
  await printed(server.stderr, RegExp(`^${kept} use key ${key}: it does not belong to .*spoiled\\.pem$`, "m"));
  assert.equal(await subject(server), "the tests' server");
  await rm(cert);
  server.child.kill("SIGHUP");
  await printed(server.stderr, RegExp(`^${kept} read certificate ${cert}: the file does not exist$`, "m"));
  assert.equal(await subject(server), "the tests' server");
});

// Files that are not regular files.

const onPosix = { skip: process.platform === "win32" && "Windows has no such files" };

/** Creates a named pipe, which replaces the file of this name. Returns its path. */
async function pipe(name: string): Promise<string> {
  await rm(join(FOLDER, name), { force: true });
  assert.equal((await run("mkfifo", [join(FOLDER, name)])).code, 0);
  return join(FOLDER, name);
}

test("a certificate is read from a pipe, in one part or two", onPosix, async (t) => {
  const cert = await pipe("cert.fifo");
  const started = startMain(t, "--tls-cert", cert, "--tls-key", KEY);
  const writer = await open(cert, "w");
  await writer.write(SERVER.cert.slice(0, 100));
  await sleep(200);
  await writer.write(SERVER.cert.slice(100));
  await writer.close();
  assert.equal(await subject(await started), "the tests' server");
});

test("a certificate is read from a shell's <(command)", onPosix, async (t) => {
  if ((await run("bash", ["-c", "true"])).code !== 0) return t.skip("bash is not installed");
  const command = `exec node ${MAIN} --port 0 --tls-cert <(cat '${CERT.replaceAll("'", "'\\''")}') --tls-key "$1"`;
  const server = await startProcess(t, "bash", "-c", command, "bash", KEY);
  assert.equal(await subject(server), "the tests' server");
  // The pipe cannot be read a second time.
  server.child.kill("SIGHUP");
  await printed(server.stderr, /^keep the TLS credentials .*: read certificate \/dev\/fd\/\d+: /m);
  assert.equal(await subject(server), "the tests' server");
});

for (const [name, path, problem] of [
  ["a device without an end", async () => "/dev/zero", "it is larger than 1048576 bytes"],
  ["an empty device", async () => "/dev/null", "it has no certificate in PEM"],
  ["a file of 2 MiB", () => file("large.pem", "x".repeat(2 ** 21)), "it is larger than 1048576 bytes"],
  ["a pipe without a writer", () => pipe("silent.fifo"), "it was not read to its end in 5000 ms"],
] as const) {
  test(`${name} as certificate is an error with exit code 2`, onPosix, async () => {
    const cert = await path();
    const stderr = `read certificate ${cert}: ${problem}\n`;
    assert.deepEqual(await main("--tls-cert", cert, "--tls-key", KEY), { code: 2, stdout: "", stderr });
  });
}

test(
  "while SIGHUP reads a pipe that says nothing, calls are served, and a second SIGHUP reads again",
  onPosix,
  async (t) => {
    const [cert, key] = await serverFiles("waited", SERVER);
    const server = await startMain(t, "--tls-cert", cert, "--tls-key", key);
    await pipe("waited.pem");
    server.child.kill("SIGHUP");
    await sleep(500); // the reading has begun
    assert.equal(await subject(server), "the tests' server");
    await rm(cert); // the pipe stays open, without a name
    await serverFiles("waited", OTHER);
    for (let signals = 0; signals < 3; signals++) server.child.kill("SIGHUP");
    assert.equal(await subject(server), "the tests' server");
    await printed(server.stdout, /^loaded certificate /m);
    assert.match(
      server.stderr(),
      /^keep the TLS .*: read certificate .*waited\.pem: it was not read to its end in 5000 ms$/m,
    );
    assert.equal(await subject(server), "other");
    await sleep(200);
    assert.equal(server.stdout().match(/^loaded certificate /gm)?.length, 1);
  },
);

test("without TLS, SIGHUP ends the process, which is the default of every process", async (t) => {
  const { child, exit } = await startMain(t);
  child.kill("SIGHUP");
  assert.equal(await exit, "SIGHUP");
});

test("listening beyond loopback without TLS prints one line on stderr", async (t) => {
  const { stderr } = await startMain(t, "--host", "0.0.0.0");
  await printed(
    stderr,
    /^listen on 0\.0\.0\.0 port \d+: without TLS, so anyone on the network path can read every call$/m,
  );
});

/** Writes the files of a server, and replaces existing ones. */
async function serverFiles(name: string, { cert, key }: Certified): Promise<[cert: string, key: string]> {
  return [await file(`${name}.pem`, cert), await file(`${name}-key.pem`, key)];
}

/** Returns the subject of the certificate that new connections get. */
async function subject({ authority }: RunningProcess): Promise<string | string[] | undefined> {
  const { hostname, port } = new URL(`https://${authority}`);
  const socket = tls.connect({ host: hostname, port: Number(port), ca: AUTHORITY.cert });
  await new Promise((resolve, reject) => socket.on("secureConnect", resolve).on("error", reject));
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return CN;
}

/** Waits until the output matches, without a time limit of its own. */
async function printed(output: () => string, pattern: RegExp): Promise<void> {
  while (!pattern.test(output())) await sleep(10);
}

async function homeOf(authority: string, ca: string): Promise<string> {
  const { body } = await send("HTTP/2", `https://${authority}`, { method: "GET", path: "/" }, { ca, ...CLIENT });
  return body.toString();
}

/** Runs lines in a shell; each must return 3. The first FILE is the client's certificate, the second its key. */
async function runLines(t: TestContext, lines: readonly string[], mutual: boolean): Promise<void> {
  for (const line of lines) {
    await t.test(line.trim(), async (t) => {
      if (findJudge(t, line.trim().split(" ", 1)[0] as string) === undefined) return;
      const whole = line
        .replace("cert FILE", `cert ${quoted(CLIENT_CERT)}`)
        .replace("key FILE", `key ${quoted(CLIENT_KEY)}`);
      assert.equal(whole !== line, mutual);
      const { code, stdout, stderr } = await run("sh", ["-c", whole]);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /sum"?: ?3\b/);
    });
  }
}

function quoted(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`;
}
