/** Compares the command `probe` with grpc_health_probe: both must end with the same exit code in each situation. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { build } from "esbuild";
import type { TlsCredentials } from "../../src/server/listener/tls-credentials.ts";
import { createServer, type ServerOptions } from "../../src/server/server.ts";
import { callRoutes } from "../support/call-service.ts";
import { AUTHORITY, createAuthority, SERVER } from "../support/certificates.ts";
import { ENV, ENV_OUTSIDE_NPM, type Result, ROOT, run } from "../support/command.ts";
import { findJudge } from "../support/judge.ts";
import { MAIN, runMain } from "../support/process.ts";

const PROGRAM = 'import { probe } from "./src/program/probe.ts"; await probe(process.argv.slice(1));';
const STATUS = /^status: \w+\n$/;
const SENTENCE = /^probe: [^\n]+[^.\n]\n$/;
/** The service of health in the tests' server, which has no status of its own. */
const SERVICE = "calls.v1.CallService";

function probe(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Result> {
  const { PORT: _, TLS_CERT: __, ...rest } = ENV as NodeJS.ProcessEnv;
  return run("node", ["--input-type=module", "-e", PROGRAM, "--", ...args], { env: { ...rest, ...env } });
}

/** Starts a server, and returns its address. */
type Start = (t: TestContext) => Promise<string>;

function serving(options: Partial<ServerOptions> = {}, status?: "not-serving"): Start {
  return async (t) => {
    const server = createServer({ routes: callRoutes, log() {}, ...options });
    t.after(() => server.close({ delayMs: 0, idleMs: 0, graceMs: 1_000, abortMs: 1_000 }));
    if (status !== undefined) server.health.set("", status);
    const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
    return `127.0.0.1:${port}`;
  };
}

async function onUnixSocket(t: TestContext): Promise<string> {
  const path = join(await temporaryFolder(t), "socket");
  const server = createServer({ routes: callRoutes });
  t.after(() => server.close({ delayMs: 0, idleMs: 0, graceMs: 1_000, abortMs: 1_000 }));
  await server.listen({ path });
  return `unix:${path}`;
}

function listening(create: () => Server): Start {
  return async (t) => {
    const server = create();
    const sockets = new Set<{ destroy(): void }>();
    server.on("connection", (socket) => sockets.add(socket));
    t.after(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
}

const NOBODY = async (): Promise<string> => "127.0.0.1:1"; // a port that no program listens on, because it is privileged
const SILENT = listening(() => createTcpServer());
const HTTP1 = listening(() => createHttpServer((_, response) => response.end()));
const NO_RESPONSE = listening(() => createHttp2Server(() => {}));
const NOT_GRPC = listening(() => createHttp2Server((_, response) => response.end("<html>")));
const CLOSES = listening(() => createTcpServer((socket) => socket.destroy()));

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "probe-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

const TLS: TlsCredentials = SERVER;
const MUTUAL: TlsCredentials = { ...SERVER, clientCa: AUTHORITY.cert };
const CLIENT = await AUTHORITY.issue({ subject: "CN=a probe" });
const STRANGER = await createAuthority("CN=nobody trusts it");
/** The files that flags name in the table below. */
const FILES = {
  "ca.pem": AUTHORITY.cert,
  "other-ca.pem": STRANGER.cert,
  "client.pem": CLIENT.cert,
  "client-key.pem": CLIENT.key,
  "broken.pem": "-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n",
};
const CA = ["--tls", "--tls-ca-cert", "ca.pem"];
const CLIENT_FILES = ["--tls-client-cert", "client.pem", "--tls-client-key", "client-key.pem"];
/** Times for a busy machine, in place of the default of 1 s. The last of two flags counts. */
const PATIENT = ["--connect-timeout", "20s", "--rpc-timeout", "20s"];
const SHORT = ["--connect-timeout", "300ms", "--rpc-timeout", "300ms"];

for (const [situation, code, start, args = []] of [
  ["a server that serves", 0, serving()],
  ["a service that serves", 0, serving(), ["--service", SERVICE]],
  ["a service with a long name", 3, serving(), ["--service", "a.".repeat(200)]],
  ["a server that does not serve", 4, serving({}, "not-serving")],
  ["an unknown service", 3, serving(), ["--service", "none.v1.None"]],
  ["a server without health", 3, serving({ health: false })],
  ["HTTP/2 of Node", 0, serving({ http2: "node" })],
  ["a Unix domain socket", 0, onUnixSocket],
  ["a port without a server", 2, NOBODY, SHORT],
  ["a server that never sends a byte", 2, SILENT, SHORT],
  ["a server that closes connections", 2, CLOSES, SHORT],
  ["a server of HTTP/1.1", 2, HTTP1, SHORT],
  ["a server that does not respond", 3, NO_RESPONSE, ["--rpc-timeout", "300ms"]],
  ["a server of other responses", 3, NOT_GRPC],
  ["TLS", 0, serving({ tls: TLS }), CA],
  ["TLS without verification", 0, serving({ tls: TLS }), ["--tls", "--tls-no-verify"]],
  ["TLS with the name in the certificate", 0, serving({ tls: TLS }), [...CA, "--tls-server-name", "localhost"]],
  ["TLS with another name", 2, serving({ tls: TLS }), [...CA, "--tls-server-name", "other.example", ...SHORT]],
  ["TLS of another authority", 2, serving({ tls: TLS }), ["--tls", "--tls-ca-cert", "other-ca.pem", ...SHORT]],
  ["TLS of an authority that the system does not trust", 2, serving({ tls: TLS }), ["--tls", ...SHORT]],
  ["no TLS to a server with TLS", 2, serving({ tls: TLS }), SHORT],
  ["TLS to a server without TLS", 2, serving(), [...CA, ...SHORT]],
  ["TLS with a certificate of the client", 0, serving({ tls: MUTUAL }), [...CA, ...CLIENT_FILES]],
  ["TLS without a certificate of the client", 2, serving({ tls: MUTUAL }), [...CA, ...SHORT]],
  ["an unknown flag", 1, NOBODY, ["--none"]],
  ["a flag without its value", 1, NOBODY, ["--service"]],
  ["a duration without a number", 1, NOBODY, ["--rpc-timeout", "soon"]],
  ["a duration of 0", 1, NOBODY, ["--connect-timeout", "0s"]],
  ["a flag of TLS without TLS", 1, NOBODY, ["--tls-server-name", "localhost"]],
  ["a certificate of the client without its key", 1, NOBODY, ["--tls", "--tls-client-cert", "client.pem"]],
  ["a name that is not verified", 1, NOBODY, ["--tls", "--tls-no-verify", "--tls-server-name", "localhost"]],
  ["a file that does not exist", 1, NOBODY, ["--tls", "--tls-ca-cert", "none.pem"]],
  ["a file that has no certificate", 1, NOBODY, ["--tls", "--tls-ca-cert", "broken.pem"]],
] as readonly (readonly [string, number, Start, (readonly string[])?])[]) {
  test(`probe ends with ${code} for ${situation}, as grpc_health_probe does`, async (t) => {
    const folder = await temporaryFolder(t);
    for (const [name, text] of Object.entries(FILES)) await writeFile(join(folder, name), text);
    const flags = args.map((arg) => (arg.endsWith(".pem") ? join(folder, arg) : arg));
    const given = ["--addr", await start(t), ...PATIENT, ...flags];
    const judge = findJudge(t, "grpc_health_probe", "grpc-health-probe");
    const judging = judge === undefined ? undefined : run(judge, given);
    const [result, judged] = await Promise.all([probe(given), judging]);
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stdout + result.stderr, code === 0 || code === 4 ? STATUS : SENTENCE);
    if (judged !== undefined) assert.equal(judged.code, code, judged.stderr);
  });
}

test("probe without an address finds the server of its environment, over TLS too", async (t) => {
  const plain = await serving()(t);
  const [, port = ""] = plain.split(":");
  assert.equal((await probe(PATIENT, { PORT: port })).code, 0);
  const [, tlsPort = ""] = (await serving({ tls: TLS })(t)).split(":");
  assert.equal((await probe([], { PORT: tlsPort })).code, 2);
  assert.equal((await probe(PATIENT, { PORT: tlsPort, TLS_CERT: "cert.pem" })).code, 0);
  assert.match((await probe([], { PORT: "x" })).stderr, SENTENCE);
});

test("probe takes flags with one dash, as grpc_health_probe does", async (t) => {
  const address = await serving()(t);
  assert.equal((await probe([`-addr=${address}`, "-service", SERVICE, ...PATIENT])).code, 0);
});

test("probe refuses a timeout that is too long for a timer, which would fire immediately", async () => {
  const { code, stderr } = await probe([
    "--addr",
    await NOBODY(),
    "--connect-timeout",
    "597h",
    "--rpc-timeout",
    "596h",
  ]);
  assert.deepEqual([code, stderr], [1, 'probe: --connect-timeout: "597h" must be at most 2147483647 ms\n']);
});

test("a program of run has the command probe, and names it in --help", async (t) => {
  const { code, stdout } = await runMain(["probe", "--addr", await serving()(t), ...PATIENT]);
  assert.deepEqual([code, stdout], [0, "status: SERVING\n"]);
  const help = await run("node", [MAIN, "--help"], { env: ENV_OUTSIDE_NPM });
  assert.match(help.stdout, /^ +node main\.ts probe --help$/m);
  assert.match((await run("node", [MAIN, "probe", "--help"])).stdout, /^Exit code: 0 serving, /m);
});

test("probe loads no package and nothing of the server but a constant, because a health check runs every few seconds", async () => {
  const entryPoints = [join(ROOT, "src/program/probe.ts")];
  const { metafile } = await build({ entryPoints, bundle: true, write: false, metafile: true, platform: "node" });
  const loaded = Object.keys(metafile.inputs).filter((path) => !/^src\/(?:cli|program)\//.test(path));
  assert.deepEqual(loaded, ["src/server/limits/process-clock.ts"]);
});
