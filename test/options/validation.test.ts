/** Wrong options of createServer: each is a TypeError in one sentence when the server is created. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConnectRouter, Interceptor } from "@connectrpc/connect";
import type { SERVER_RULES } from "../../src/server/option-validation.ts";
import { createServer, type ServerOptions } from "../../src/server/server.ts";
import { callRoutes } from "../support/call-service.ts";
import { AUTHORITY, SERVER } from "../support/certificates.ts";

const GZIP = {
  name: "gzip",
  compress: async (bytes: Uint8Array) => bytes,
  decompress: async (bytes: Uint8Array) => bytes,
};

/** Values that each option refuses, besides a symbol. Options of the same type share the values. */
const NOT_BOOLEAN = [0, "true", null];
const NOT_FUNCTION = [true, "f", {}, null];
const NOT_OBJECT = [true, "x", [], null];
const NOT_WHOLE = [-1, 1.5, Number.NaN, "1", null];
const NOT_MESSAGE_BYTES = [0, 2 ** 32, Number.POSITIVE_INFINITY, ...NOT_WHOLE];
const WRONG: { readonly [K in keyof typeof SERVER_RULES]: readonly unknown[] } = {
  routes: NOT_FUNCTION,
  requestPathPrefix: ["api", "/api/", null],
  contextValues: NOT_FUNCTION,
  corsOrigins: ["*", ["https://a.example/"], ["a.example"], [1], null],
  fallback: [true, "f", {}, { fetch: true }, null],
  allowedHosts: ["*", [1], null],
  trustedProxies: [
    "private",
    ["*"],
    ["10.0.0.0/33"],
    ["10.0.0.1:80"],
    ["proxy.example"],
    ["fe80::1%eth0"],
    [""],
    [1],
    null,
  ],
  interceptors: [() => {}, ["x"], null],
  interceptHealth: NOT_BOOLEAN,
  health: [0, "on", {}, { set() {} }, null],
  reflection: [0, "v2", [], null],
  fastPath: NOT_BOOLEAN,
  http2: ["own", "h2", true, null],
  homePage: NOT_BOOLEAN,
  page: [true, null],
  tls: [true, "x", [], null],
  limits: NOT_OBJECT,
  log: NOT_FUNCTION,
  observer: [() => {}, {}, { begin() {} }, { begin: true, end() {} }, null],
  acceptCompression: ["gzip", ["gzip"], [{ name: "gzip" }], [{ ...GZIP, name: "g\r\nzip" }], null],
  compressMinBytes: NOT_WHOLE,
  readMaxBytes: NOT_MESSAGE_BYTES,
  writeMaxBytes: NOT_MESSAGE_BYTES,
  jsonOptions: NOT_OBJECT,
  binaryOptions: NOT_OBJECT,
  maxTimeoutMs: NOT_WHOLE,
  shutdownSignal: [{}, true, null],
  requireConnectProtocolHeader: NOT_BOOLEAN,
  requestGate: NOT_FUNCTION,
  grpc: NOT_BOOLEAN,
  grpcWeb: NOT_BOOLEAN,
  connect: NOT_BOOLEAN,
};

for (const [name, values] of Object.entries(WRONG)) {
  test(`createServer refuses wrong values of ${name} by a sentence with the name and what is allowed`, () => {
    for (const value of [Symbol("x"), ...values]) {
      assert.throws(
        () => createServer({ routes: callRoutes, [name]: value } as never),
        (error) => {
          assert.ok(error instanceof TypeError);
          assert.match(error.message, new RegExp(`^createServer: ${name} .+ (must be|was renamed to) [^\\n]+[^.]$`));
          return true;
        },
      );
    }
  });

  test(`createServer takes an undefined ${name} for a missing one`, () => {
    if (name === "routes")
      assert.throws(() => createServer({} as never), /^TypeError: createServer: routes is missing/);
    else createServer({ routes: callRoutes, [name]: undefined } as never);
  });
}

for (const [what, options, message] of [
  [
    "an unknown option",
    { timeout: 1 },
    /^createServer: unknown option 'timeout'; the options are routes, (?!.*\bpage\b)/,
  ],
  ["an option of Object's prototype", { toString: 1 }, /^createServer: unknown option 'toString'/],
  ["an option that was renamed", { lane: true }, /^createServer: lane was renamed to fastPath$/],
  ["no protocol", { connect: false, grpc: false, grpcWeb: false }, /^createServer: connect, grpc and grpcWeb are all/],
  [
    "two values of one limit",
    { readMaxBytes: 1, limits: { messageBytes: 1 } },
    /^createServer: readMaxBytes and limits\.messageBytes are the same limit; give one of them$/,
  ],
  [
    "a page below a prefix",
    { page: {}, requestPathPrefix: "/api" },
    /^createServer: the page does not call services below requestPathPrefix; give one of them$/,
  ],
  ["an unknown limit", { limits: { x: 1 } }, /^limits\.x: unknown limit/],
  ["an invalid host", { allowedHosts: ["a b"] }, /^allow host "a b": must be /],
] as const) {
  test(`createServer refuses ${what}`, () => {
    assert.throws(() => createServer({ routes: callRoutes, ...options } as never), { name: "TypeError", message });
  });
}

for (const options of [undefined, null, "x", [], callRoutes]) {
  test(`createServer refuses ${String(options).slice(0, 20)} for its options`, () => {
    assert.throws(() => createServer(options as never), {
      name: "TypeError",
      message: /^createServer: the options must be an object, not /,
    });
  });
}

class Settings {
  readonly #calls = callRoutes;
  routes(router: ConnectRouter): void {
    this.#calls(router);
  }
  get jsonOptions() {
    return { alwaysEmitImplicit: true };
  }
  get interceptors(): Interceptor[] {
    return [
      (next) => async (request) => {
        const response = await next(request);
        response.header.set("x-intercepted", "true");
        return response;
      },
    ];
  }
}

for (const [what, make] of [
  ["an instance of a class", () => new Settings()],
  ["an object that inherits them", () => Object.create(ownOptions(new Settings()))],
  ["a frozen object", () => Object.freeze(ownOptions(new Settings()))],
] as const) {
  test(`createServer honours all options of ${what}`, async (t) => {
    const server = createServer(make() as ServerOptions);
    t.after(() => server.close());
    const { port } = await server.listen({ port: 0 });
    const url = `http://127.0.0.1:${port}/calls.v1.CallService/Add`;
    const response = await fetch(url, {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json", connection: "close" },
    });
    assert.deepEqual([response.headers.get("x-intercepted"), await response.text()], ["true", '{"sum":0}']);
  });
}

/** Returns an object that has the options itself. */
function ownOptions(settings: Settings) {
  const { jsonOptions, interceptors } = settings;
  return { routes: settings.routes.bind(settings), jsonOptions, interceptors };
}

test("createServer refuses wrong and unknown options that are inherited", () => {
  const create = (defaults: object) => () => createServer(Object.create(defaults));
  assert.throws(create({ routes: callRoutes, jsonOptions: 5 }), /^TypeError: createServer: jsonOptions 5 must be /);
  assert.throws(create({ routes: callRoutes, healht: false }), /^TypeError: createServer: unknown option 'healht'/);
  const limits = (defaults: object) => () => createServer({ routes: callRoutes, limits: Object.create(defaults) });
  assert.throws(limits({ messageBytes: 0 }), /^RangeError: limits\.messageBytes: 0 must be /);
  assert.throws(limits({ messagebytes: 1 }), /^TypeError: limits\.messagebytes: unknown limit/);
});

test("createServer reads each option once, and never after it has returned", async (t) => {
  const read = new Map<PropertyKey, number>();
  const given = { routes: callRoutes, corsOrigins: ["https://a.example"], homePage: true, health: true };
  const counting = new Proxy(given, {
    get(target, name) {
      read.set(name, (read.get(name) ?? 0) + 1);
      return Reflect.get(target, name);
    },
  });
  const server = createServer(counting);
  t.after(() => server.close());
  given.corsOrigins.push("https://b.example");
  const { port } = await server.listen({ port: 0 });
  const origins = given.corsOrigins.map(async (origin) => {
    const response = await fetch(`http://127.0.0.1:${port}/x`, { headers: { origin, connection: "close" } });
    await response.text();
    return response.headers.get("access-control-allow-origin");
  });
  assert.deepEqual(await Promise.all(origins), ["https://a.example", null]);
  assert.deepEqual(
    [...read.values()].filter((times) => times > 1),
    [],
  );
  assert.ok(read.has("routes"));
});

test("createServer shows only the wrong element of a long array, in one line", () => {
  const corsOrigins = [..."abcdefghijkl"].map((letter) => `https://${letter}.example`);
  const message = `createServer: corsOrigins has 'm', and must be an array of origins like "https://example.com", or "*"`;
  assert.throws(() => createServer({ routes: callRoutes, corsOrigins: [...corsOrigins, "m"] }), { message });
  // biome-ignore lint/suspicious/noSparseArray: the hole is what is wrong
  const interceptors = [, (next: unknown) => next] as never;
  assert.throws(() => createServer({ routes: callRoutes, interceptors }), {
    message: "createServer: interceptors has undefined, and must be an array of functions",
  });
  const long = { corsOrigins, limits: "x".repeat(1_000) } as never;
  assert.throws(() => createServer({ routes: callRoutes, limits: long }), { message: /^.{1,300}$/ });
  const fallback = Object.fromEntries(corsOrigins.map((origin) => [origin, () => {}])) as never;
  assert.throws(() => createServer({ routes: callRoutes, fallback }), { message: /^createServer: fallback .{1,400}$/ });
});

for (const [what, tls, message] of [
  [
    "an option of Node's own servers",
    { ...SERVER, requestCert: true },
    /^createServer: tls: unknown field requestCert;/,
  ],
  [
    "the authorities under the name of Node",
    { ...SERVER, ca: AUTHORITY.cert },
    /^createServer: tls: unknown field ca;/,
  ],
  ["no key", { cert: SERVER.cert }, /^createServer: tls: key must be a private key in PEM, as text or bytes$/],
  ["no certificate", { key: SERVER.key }, /^createServer: tls: cert must be a certificate in PEM, as text or bytes$/],
  ["a number", { ...SERVER, cert: 1 }, /^createServer: tls: cert must be /],
  ["an array", { ...SERVER, key: [SERVER.key] }, /^createServer: tls: key must be /],
  ["two fields in each other's place", { cert: SERVER.key, key: SERVER.cert }, /^createServer: tls: cert must be /],
  ["empty authorities, which Node replaces", { ...SERVER, clientCa: "" }, /^createServer: tls: clientCa must be /],
  ["null authorities", { ...SERVER, clientCa: null }, /^createServer: tls: clientCa must be /],
  [
    "authorities cut short",
    { ...SERVER, clientCa: SERVER.cert.slice(0, 100) },
    /^createServer: tls: clientCa must be /,
  ],
  ["the key alone", SERVER.key, /^createServer: tls(?: of type string|:) must be an object with cert and key in PEM$/],
] as const) {
  test(`createServer refuses TLS with ${what}, and keeps the key to itself`, async (t) => {
    assert.throws(() => createServer({ routes: callRoutes, tls: tls as never }), { name: "TypeError", message });
    const server = createServer({ routes: callRoutes, tls: SERVER });
    t.after(() => server.close());
    const ofRenewal = new RegExp(message.source.replace("createServer: tls", "renew TLS credentials"));
    assert.throws(() => server.renewTls(tls as never), { name: "TypeError", message: ofRenewal });
  });
}

test("createServer takes Infinity for the options of Connect that have no maximum", () => {
  createServer({
    routes: callRoutes,
    compressMinBytes: Number.POSITIVE_INFINITY,
    maxTimeoutMs: Number.POSITIVE_INFINITY,
  });
});

for (const [what, routes] of [
  ["registers services too late", async (router: ConnectRouter) => void setImmediate(() => callRoutes(router))],
  ["rejects", () => Promise.reject(new Error("no database"))],
] as const) {
  test(`createServer refuses an asynchronous function for routes that ${what}`, () => {
    const message = "routes: must register the services before it returns, and must not return a promise";
    assert.throws(() => createServer({ routes }), { name: "TypeError", message });
  });
}
