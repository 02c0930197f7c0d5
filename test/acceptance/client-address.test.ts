/**
 * Tests that real proxies pass the client's address on: HAProxy by the PROXY protocol and by X-Forwarded-For, nginx by
 * X-Forwarded-For, and curl by the PROXY protocol. The client has another loopback address than the proxy.
 */
import assert from "node:assert/strict";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { peerKey } from "../../src/server/rpc/context-values.ts";
import { createAccessLog } from "../../src/telemetry/access-log.ts";
import { AUTHORITY, SERVER } from "../support/certificates.ts";
import { run } from "../support/command.ts";
import { findJudge } from "../support/judge.ts";
import { startOutside } from "../support/outside-process.ts";
import { MAIN, startProcess } from "../support/process.ts";
import { freePort } from "../support/prometheus.ts";
import { Echo, echoRoutes } from "../support/protos.ts";
import { connectTo } from "../support/raw.ts";
import { startServer } from "../support/server.ts";

const CLIENT = "127.0.0.7";
/** A client that lies. */
const FORGED = { "x-forwarded-for": "203.0.113.9, 203.0.113.8" };
const LIMIT_MS = 20_000;
const LINUX = { skip: process.platform !== "linux" && "only Linux has a client address on all of 127.0.0.0/8" };

interface Seen {
  /** The addresses that the handler has seen, and those in the access log. */
  readonly handler: unknown[];
  readonly log: unknown[];
}

/** Starts a server that trusts the proxies. Returns its port, and the addresses that it sees. */
async function start(t: TestContext, trustedProxies: readonly string[], tls?: typeof SERVER) {
  const seen: Seen = { handler: [], log: [] };
  const { observer } = createAccessLog({ ratio: 1, log: ({ peer }) => seen.log.push(peer), traceIdOf: undefined });
  const routes = echoRoutes({
    say(request, { values }) {
      seen.handler.push(values.get(peerKey)?.address);
      return request;
    },
  });
  const server = await startServer(t, { routes, observer, trustedProxies, tls });
  return { ...server, seen };
}

/** Starts a proxy with a configuration, and waits until it listens on the ports. */
async function startProxy(
  t: TestContext,
  config: string,
  ports: readonly number[],
  command: (path: string) => string[],
) {
  const folder = await mkdtemp(join(tmpdir(), "proxy-"));
  const path = join(folder, "proxy.conf");
  await writeFile(path, config.replaceAll("FOLDER", folder));
  const [program = "", ...args] = command(path);
  const { child, stderr } = startOutside(t, program, args, folder);
  const end = performance.now() + LIMIT_MS;
  for (const port of ports) {
    for (;;) {
      try {
        (await connectTo(`127.0.0.1:${port}`)).destroy();
        break;
      } catch (error) {
        if (child.exitCode !== null || performance.now() > end)
          throw new Error(`start ${program}: ${stderr()}`, { cause: error });
        await sleep(50);
      }
    }
  }
}

/** Calls through a proxy from `CLIENT`. Returns the error's message, or undefined. */
async function call(kind: "Connect" | "gRPC", port: number, tls = false): Promise<string | undefined> {
  const options = { baseUrl: `${tls ? "https" : "http"}://127.0.0.1:${port}` };
  const nodeOptions = { localAddress: CLIENT, ca: AUTHORITY.cert, agent: undefined };
  const transport =
    kind === "gRPC"
      ? createGrpcTransport({ ...options, nodeOptions: nodeOptions as never })
      : createConnectTransport({ ...options, httpVersion: "1.1", nodeOptions: { ...nodeOptions, agent: false } });
  try {
    await createClient(Echo, transport).say({ value: "x" }, { headers: FORGED, timeoutMs: LIMIT_MS });
  } catch (error) {
    return String(error);
  }
  return undefined;
}

for (const trusted of [["127.0.0.1"], []]) {
  const what = trusted.length > 0 ? "the address of the client" : "nothing from a proxy that is not trusted,";
  test(`the handler and the access log get ${what} from HAProxy`, { ...LINUX }, async (t) => {
    const haproxy = findJudge(t, "haproxy");
    if (haproxy === undefined) return;
    const plain = await start(t, trusted);
    const secure = await start(t, trusted, SERVER);
    const ports = [await freePort(), await freePort(), await freePort(), await freePort(), await freePort()] as const;
    const [v1, v2, overTls, http1, http2] = ports;
    const config = `defaults
  timeout connect 5s
  timeout client 1m
  timeout server 1m
listen v1
  mode tcp
  bind 127.0.0.1:${v1}
  server s 127.0.0.1:${plain.port} send-proxy
listen v2
  mode tcp
  bind 127.0.0.1:${v2}
  server s 127.0.0.1:${plain.port} send-proxy-v2 proxy-v2-options crc32c,unique-id
listen over-tls
  mode tcp
  bind 127.0.0.1:${overTls}
  server s 127.0.0.1:${secure.port} send-proxy-v2
listen http1
  mode http
  option forwardfor
  bind 127.0.0.1:${http1}
  server s 127.0.0.1:${plain.port}
listen http2
  mode http
  option forwardfor
  bind 127.0.0.1:${http2} proto h2
  server s 127.0.0.1:${plain.port} proto h2
`;
    await startProxy(t, config, ports, (path) => [haproxy, "-db", "-f", path]);
    const isTrusted = trusted.length > 0;
    for (const [kind, port, server, usesHeader] of [
      ["Connect", v1, plain, true],
      ["gRPC", v1, plain, true],
      ["Connect", v2, plain, true],
      ["gRPC", v2, plain, true],
      ["Connect", overTls, secure, true],
      ["gRPC", overTls, secure, true],
      ["Connect", http1, plain, false],
      ["gRPC", http2, plain, false],
    ] as const) {
      const problem = await call(kind, port, server === secure);
      const expected = isTrusted ? [CLIENT] : usesHeader ? [] : ["127.0.0.1"];
      assert.deepEqual(server.seen.handler.splice(0), expected, `${kind} ${ports.indexOf(port)}: ${problem}`);
      assert.deepEqual(server.seen.log.splice(0), expected);
      assert.equal(problem === undefined, expected.length > 0, String(problem));
    }
    if (isTrusted) return;
    assert.ok(Number(secure.server.stats().refusals.plain_text) >= 2);
    secure.log.length = 0;
  });

  test(`the handler and the access log get ${what} from nginx`, { ...LINUX }, async (t) => {
    const nginx = findJudge(t, "nginx");
    if (nginx === undefined) return;
    const { port, seen } = await start(t, trusted);
    const ports = [await freePort(), await freePort()] as const;
    const config = `daemon off;
master_process off;
pid FOLDER/pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path FOLDER/a; proxy_temp_path FOLDER/b; fastcgi_temp_path FOLDER/c; uwsgi_temp_path FOLDER/d; scgi_temp_path FOLDER/e;
  server {
    listen 127.0.0.1:${ports[0]};
    location / {
      proxy_pass http://127.0.0.1:${port};
      proxy_http_version 1.1;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
  server {
    listen 127.0.0.1:${ports[1]} http2;
    location / {
      grpc_pass grpc://127.0.0.1:${port};
      grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}
`;
    await startProxy(t, config, ports, (path) => [nginx, "-e", "stderr", "-c", path]);
    for (const [kind, proxy] of [
      ["Connect", ports[0]],
      ["gRPC", ports[1]],
    ] as const) {
      assert.equal(await call(kind, proxy), undefined);
      const expected = [trusted.length > 0 ? CLIENT : "127.0.0.1"];
      assert.deepEqual(seen.handler.splice(0), expected);
      assert.deepEqual(seen.log.splice(0), expected);
    }
  });
}

test(
  "a program with --trusted-proxies gets a PROXY header of curl, and without the setting it responds 400",
  LINUX,
  async (t) => {
    const curl = findJudge(t, "curl");
    if (curl === undefined) return;
    const args = [
      "-sS",
      "-w",
      "%{http_code}",
      "--interface",
      CLIENT,
      "--haproxy-protocol",
      "-H",
      "Content-Type: application/json",
    ];
    for (const [flags, status] of [
      [["--trusted-proxies", CLIENT], 200],
      [["--trusted-proxies", "loopback,private"], 200],
      [["--trusted-proxies", "127.0.0.1,private,unix"], 400],
      [[], 400],
    ] as const) {
      const program = [MAIN, "--port", "0", "--access-log-ratio", "1", ...flags];
      const { authority, child, exit, stderr } = await startProcess(t, "node", ...program);
      const url = `http://${authority}/calls.v1.CallService/Add`;
      const { stdout } = await run(curl, [...args, "-d", '{"a":1,"b":2}', url]);
      assert.equal(stdout, status === 200 ? '{"sum":3}200' : "400", flags.join(" "));
      child.kill("SIGTERM");
      assert.equal(await exit, 0);
      const calls = stderr().match(/from \S+: OK/g) ?? [];
      assert.deepEqual(calls, status === 200 ? [`from ${CLIENT}: OK`] : []);
    }
  },
);
