/**
 * Tests the files of deploy/ for Envoy, nginx and HAProxy: each proxy in front of two replicas, over TLS. A second proxy beside it
 * has the guarded settings off, and must fail the same checks.
 */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AUTHORITY, LOOPBACK } from "../support/certificates.ts";
import { run } from "../support/command.ts";
import { HTTP_VERSIONS } from "../support/http.ts";
import { findJudge, findPython } from "../support/judge.ts";
import { LARGE_HEADERS } from "./support/headers.ts";
import { type Call, SAFE_CLIENT } from "./support/load.ts";
import { killOne, rollingRestarts } from "./support/procedures.ts";
import {
  type Configured,
  checkConfiguration,
  configure,
  ENGINES,
  type Engine,
  startProxy,
  writeCertificate,
} from "./support/proxies.ts";
import { startReplicas } from "./support/replicas.ts";
import {
  CLIENT_ADDRESS,
  callsWithSilence,
  chatAcross,
  checkMatrix,
  checkPage,
  checkStreams,
  echoBytes,
  echoMetadata,
  fillHeaders,
  handshake,
  LARGE_BYTES,
  OVER_TLS,
  seenAddress,
} from "./support/through.ts";

/** Longer than each proxy takes to notice a drain, or to try a replica again. */
const DRAIN_DELAY = "3s";
/** The flags of docs/proxies.md. The proxy is at 127.0.0.1, and a client at another address on loopback. */
const REPLICA_ARGS = [
  ...["--drain-delay-ms", DRAIN_DELAY, "--read-bytes-per-second", "off"],
  ...["--trusted-proxies", "127.0.0.1", "--access-log-ratio", "1"],
];
const ROUNDS = 2;
const TIMEOUT_MS = 180_000;

describe("two replicas behind a proxy", { concurrency: ENGINES.length }, () => {
  for (const engine of ENGINES) {
    const { name, programs, off, dropsByDefault } = engine;
    test(`${name} with its file in deploy/`, { timeout: TIMEOUT_MS }, async (t) => {
      const program = findJudge(t, ...programs);
      if (program === undefined) return;
      const replicas = await startReplicas(t, 2, REPLICA_ARGS);
      const [first, second] = replicas.map(({ port }) => port) as [number, number];
      const guarded = await configure(t, engine, [first, second]);
      const unguarded = await configure(t, engine, [first, second], off);
      const { url, port } = guarded;

      await t.test("its own check accepts the file, and refuses a misspelt word", async () => {
        assert.equal(await checkConfiguration(program, engine, guarded.folder), "");
        assert.match(await checkMisspelt(program, engine, guarded), /^exit code 1/);
      });
      const { reload } = await startProxy(t, program, engine, guarded);
      await startProxy(t, program, engine, unguarded);

      await t.test("TLS negotiates HTTP/2 and HTTP/1.1", async () => {
        for (const offered of ["h2", "http/1.1"]) assert.equal((await handshake(port, [offered])).protocol, offered);
        assert.equal((await handshake(port, ["http/1.1", "h2"])).protocol, "h2");
      });
      await t.test("unary calls of all protocols", (t) => checkMatrix(t, url));
      for (const transport of OVER_TLS) {
        await t.test(`streams: ${transport.name}`, () => checkStreams(transport, url));
        await t.test(`sizes and metadata: ${transport.name}`, async () => {
          assert.equal(await echoBytes(transport, url), LARGE_BYTES);
          assert.match(String(await echoBytes(transport, url, LARGE_BYTES + 64)), /resource_exhausted/);
          assert.equal(await echoMetadata(transport, url), "value");
          if (!dropsByDefault) return;
          assert.match(String(await echoBytes(transport, unguarded.url)), /HTTP 413|REFUSED|aborted|EPIPE/);
          assert.equal(await echoMetadata(transport, unguarded.url), null);
        });
      }
      await t.test("peerKey and the access log have the client's address, and not the one that it claims", async () => {
        assert.equal(await seenAddress(port), CLIENT_ADDRESS);
        assert.notEqual(await seenAddress(unguarded.port), CLIENT_ADDRESS);
        const peers = replicas.flatMap(({ accessLog }) => accessLog.map(({ peer }) => peer));
        assert.ok(peers.includes(CLIENT_ADDRESS), `${new Set(peers).values().toArray()}`);
      });
      await t.test("headers as large as the replicas accept, and with as many fields", () =>
        testHeaders(engine, url, unguarded.url),
      );
      await t.test("calls and streams may be silent", () => testSilence(url, unguarded.url));
      await t.test("the page", () => checkPage(url));
      await testOutsideTools(t, guarded);

      await t.test("a new certificate serves new connections, and a stream goes on", async () => {
        const received = await chatAcross(OVER_TLS[0] as (typeof OVER_TLS)[0], url, async () => {
          const renewed = await AUTHORITY.issue({ subject: "CN=renewed", names: LOOPBACK });
          for (const { folder } of [unguarded, guarded]) await writeCertificate(folder, renewed);
          reload();
          while ((await handshake(port, ["h2"])).name !== "renewed") await sleep(50);
        });
        assert.equal(received, 2);
        assert.equal((await handshake(unguarded.port, ["h2"])).name, "the tests' server"); // without the setting or the signal
      });

      await t.test("rolling restarts lose no call", async (t) => {
        const { calls, failures } = await rollingRestarts(url, replicas, ROUNDS);
        t.diagnostic(`${name}: ${ROUNDS * replicas.length} restarts, ${calls.length} calls, ${failures.length} lost`);
        assert.deepEqual(failures, []);
      });
      await t.test(
        "a killed replica loses the calls that it had in flight; without retries, also later ones",
        async (t) => {
          const [killed, without] = await killOne([url, unguarded.url], replicas, replicas[0] as (typeof replicas)[0]);
          assert.ok(killed !== undefined && without !== undefined);
          const { load, inFlight, avoidable } = killed;
          t.diagnostic(`${name}: a replica killed, ${load.calls.length} calls, ${inFlight.length} lost in flight`);
          assert.deepEqual(avoidable, []);
          assert.ok(inFlight.length <= load.callers, `${inFlight.length} lost of ${load.callers} in flight at most`);
          if (name !== "nginx") assert.deepEqual(inFlight.filter(isSafe), []); // nginx lost one in some runs
          assert.ok(without.avoidable.length > 0, "the proxy without retries lost no call");
        },
      );
    });
  }
});

const isSafe = ({ client }: Call): boolean => client === SAFE_CLIENT;

/** Checks that large headers pass both ways, and that they do not without the settings that guard them. */
async function testHeaders({ limitedHeaders }: Engine, guarded: string, unguarded: string): Promise<void> {
  for (const label of ["one large field", "400 fields"] as const) {
    const size = LARGE_HEADERS[label];
    for (const version of HTTP_VERSIONS) {
      for (const side of ["request", "response"] as const) {
        const about = `${label} in the ${side} over ${version}`;
        assert.equal(await fillHeaders(version, guarded, side, size), size[0], about);
        if (!limitedHeaders.includes(label)) continue;
        assert.notEqual(await fillHeaders(version, unguarded, side, size), size[0], about);
      }
    }
  }
}

/** Checks that silent calls end well, and that each fails at a proxy whose timeouts are short. */
async function testSilence(guarded: string, unguarded: string): Promise<void> {
  const [passed, ended = {}] = await Promise.all([callsWithSilence(guarded), callsWithSilence(unguarded)]);
  const expected: Record<string, string> = {
    "a slow call": '200 {"sum":3}',
    "a slow call by GET": '200 {"sum":3}',
    "a slow upload": "2 messages",
    "an upload that is read late": "100 messages",
    "a silent stream": "2 messages",
  };
  assert.deepEqual(passed, expected);
  for (const [name, result] of Object.entries(ended)) assert.notEqual(result, expected[name], name);
}

/** Returns what the proxy's own check says about the file with one letter more. */
async function checkMisspelt(program: string, engine: Engine, { folder }: Configured): Promise<string> {
  const path = join(folder, engine.files[0]?.replace(/^.*\//, "") ?? "");
  const text = await readFile(path, "utf8");
  await writeFile(path, text.replace(engine.word, `${engine.word}x`));
  const says = await checkConfiguration(program, engine, folder);
  await writeFile(path, text);
  return says;
}

/** Calls with grpcurl, curl and Python's grpcio, which trust the authority in a file. */
async function testOutsideTools(t: TestContext, { folder, port, url }: Configured): Promise<void> {
  const ca = join(folder, "ca.pem");
  await writeFile(ca, AUTHORITY.cert);
  const authority = `localhost:${port}`;
  const add = `${url}/calls.v1.CallService/Add`;
  const post = ["-H", "content-type: application/json", "-d", '{"a":1,"b":2}', add];
  const get = ["-g", `${add}?encoding=json&message={%22a%22:1,%22b%22:2}`];
  const trials: readonly [tool: string, ...args: string[]][] = [
    ["grpcurl", "-cacert", ca, "-d", '{"a":1,"b":2}', authority, "calls.v1.CallService/Add"], // with reflection, a bidi stream
    ...["--http1.1", "--http2"].flatMap((version): [string, ...string[]][] => [
      ["curl", "-sS", version, "--cacert", ca, ...post],
      ["curl", "-sS", version, "--cacert", ca, ...get],
    ]),
    ["python", "test/fixtures/tls_client.py", authority, ca],
  ];
  for (const [tool, ...args] of trials) {
    await t.test(`${tool} ${args.slice(0, 2).join(" ")}`, async (t) => {
      const command = tool === "python" ? await findPython(t, "grpc") : findJudge(t, tool);
      if (command === undefined) return;
      const { code, stdout, stderr } = await run(command, args);
      assert.match(stdout, /"?sum"?: ?3/, stderr);
      assert.equal(code, 0);
    });
  }
}
