/** The client of a call, as interceptors and handlers see it, in every path through the server. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import http2 from "node:http2";
import { test } from "node:test";
import { type Client, createClient, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { Peer } from "../../src/server/http/exchange.ts";
import { peerKey } from "../../src/server/rpc/context-values.ts";
import { createServer } from "../../src/server/server.ts";
import { AUTHORITY, SERVER } from "../support/certificates.ts";
import { Echo, echoRoutes } from "../support/protos.ts";
import { startServer } from "../support/server.ts";

const NAMES = [
  { type: "dns", value: "client.example" },
  { type: "url", value: "spiffe://a.example/client" },
  { type: "email", value: "client@a.example" },
  { type: "ip", value: "192.0.2.1" },
] as const;
const CLIENT = await AUTHORITY.issue({ subject: "CN=a client, OU=one, OU=two, O=Ünïcode", names: NAMES });
const MUTUAL = { ...SERVER, clientCa: AUTHORITY.cert };

/** Returns all properties of a peer, to compare them at once. */
function seen(peer: Peer | undefined) {
  const { certificate } = peer ?? {};
  return {
    address: peer?.address,
    port: typeof peer?.port,
    subject: certificate && { ...certificate.subject },
    names: certificate?.alternativeNames,
    raw: certificate && Buffer.from(certificate.raw).toString("base64"),
  };
}

const ANONYMOUS = { address: "127.0.0.1", port: "number", subject: undefined, names: undefined, raw: undefined };
const NAMED = {
  ...ANONYMOUS,
  subject: { CN: "a client", OU: ["one", "two"], O: "Ünïcode" },
  names: ["DNS:client.example", "URI:spiffe://a.example/client", "email:client@a.example", "IP Address:192.0.2.1"],
  raw: new X509Certificate(CLIENT.cert).raw.toString("base64"),
};

const CALLS: Readonly<Record<string, (client: Client<typeof Echo>) => Promise<unknown>>> = {
  "unary call": (client) => client.say({ value: "x" }),
  stream: (client) => Array.fromAsync(client.repeat({ value: "x" })),
};

for (const [security, tls, expected] of [
  ["without TLS", undefined, ANONYMOUS],
  ["over TLS", SERVER, ANONYMOUS],
  ["over mutual TLS", MUTUAL, NAMED],
] as const) {
  for (const httpVersion of ["1.1", "2"] as const) {
    for (const fastPath of [true, false]) {
      for (const [what, call] of Object.entries(CALLS)) {
        test(`the interceptor and the handler of a ${what} see its peer, ${security} and HTTP/${httpVersion}, ${fastPath ? "with" : "without"} the fast path`, async (t) => {
          const peers: ReturnType<typeof seen>[] = [];
          const look = ({ values }: HandlerContext): void => void peers.push(seen(values.get(peerKey)));
          const interceptor: Interceptor = (next) => (request) => {
            peers.push(seen(request.contextValues.get(peerKey)));
            return next(request);
          };
          const { url } = await startServer(t, {
            tls,
            fastPath,
            interceptors: [interceptor],
            routes: echoRoutes({
              say(request, context) {
                look(context);
                return request;
              },
              async *repeat(request, context) {
                look(context);
                yield request;
              },
            }),
          });
          const nodeOptions = { ca: AUTHORITY.cert, ...CLIENT };
          await call(createClient(Echo, createConnectTransport({ baseUrl: url, httpVersion, nodeOptions })));
          assert.deepEqual(peers, [expected, expected]);
        });
      }
    }
  }
}

test("a handler on the fast path sees its peer without interceptors, with the client's port", async (t) => {
  const ports: unknown[] = [];
  const { url } = await startServer(t, {
    routes: echoRoutes({
      say(request, { values }) {
        ports.push(values.get(peerKey)?.port);
        return request;
      },
    }),
  });
  const session = http2.connect(url);
  t.after(() => session.destroy());
  const headers = { ":method": "POST", ":path": "/fixture.Echo/Say", "content-type": "application/json" };
  const call = session.request(headers);
  call.end('"x"');
  await once(call.resume(), "end");
  assert.deepEqual(ports, [session.socket.localPort]);
});

test("an alternative name with a comma is one name", async (t) => {
  const forged = "spiffe://a.example/x, URI:spiffe://a.example/admin, DNS:x";
  const client = await AUTHORITY.issue({ subject: "CN=x", names: [{ type: "url", value: forged }] });
  const seenNames: unknown[] = [];
  const { url } = await startServer(t, {
    tls: MUTUAL,
    routes: echoRoutes({
      say(request, { values }) {
        seenNames.push(values.get(peerKey)?.certificate?.alternativeNames);
        return request;
      },
    }),
  });
  const nodeOptions = { ca: AUTHORITY.cert, ...client };
  const caller = createClient(Echo, createConnectTransport({ baseUrl: url, httpVersion: "2", nodeOptions }));
  await caller.say({ value: "x" });
  assert.deepEqual(seenNames, [[`URI:${forged}`]]);
});

test("an IPv4 address keeps its form when the server listens on IPv6", async () => {
  const addresses: unknown[] = [];
  const server = createServer({
    log: () => {}, // the server listens beyond loopback
    routes: echoRoutes({
      say(request, { values }) {
        addresses.push(values.get(peerKey)?.address);
        return request;
      },
    }),
  });
  const { port } = await server.listen({ host: "::", port: 0 });
  try {
    for (const host of ["127.0.0.1", "[::1]"]) {
      const transport = createConnectTransport({ baseUrl: `http://${host}:${port}`, httpVersion: "1.1" });
      await createClient(Echo, transport).say({ value: "x" });
    }
  } finally {
    await server.close({ delayMs: 0, idleMs: 0 });
  }
  assert.deepEqual(addresses, ["127.0.0.1", "::1"]);
});
