/** Wrong options of createServer: each is a TypeError in one sentence when the server is created. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SERVER_RULES } from "../../src/server/option-validation.ts";
import { createServer } from "../../src/server/server.ts";
import { callRoutes } from "../support/call-service.ts";

/** Values that each option refuses, besides a symbol. Options of the same type share the values. */
const NOT_BOOLEAN = [0, "true", null];
const NOT_FUNCTION = [true, "f", {}, null];
const NOT_OBJECT = [true, "x", [], null];
const NOT_BYTES = [-1, 1.5, Number.NaN, 2 ** 32, "1", null];
const WRONG: { readonly [K in keyof typeof SERVER_RULES]: readonly unknown[] } = {
  routes: NOT_FUNCTION,
  requestPathPrefix: ["api", "/api/", null],
  contextValues: NOT_FUNCTION,
  corsOrigins: ["*", ["https://a.example/"], ["a.example"], [1], null],
  fallback: [true, "f", {}, { fetch: true }, null],
  allowedHosts: ["*", [1], null],
  interceptors: [() => {}, ["x"], null],
  interceptHealth: NOT_BOOLEAN,
  health: [0, "on", {}, { set() {} }, null],
  reflection: [0, "v2", [], null],
  fastPath: NOT_BOOLEAN,
  http2: ["own", "h2", true, null],
  homePage: NOT_BOOLEAN,
  page: [true, null],
  tls: [true, {}, { cert: "x" }, null],
  limits: NOT_OBJECT,
  log: NOT_FUNCTION,
  acceptCompression: ["gzip", ["gzip"], [{ name: "gzip" }], null],
  compressMinBytes: NOT_BYTES,
  readMaxBytes: [0, ...NOT_BYTES],
  writeMaxBytes: [0, ...NOT_BYTES],
  jsonOptions: NOT_OBJECT,
  binaryOptions: NOT_OBJECT,
  maxTimeoutMs: [-1, 1.5, "1s", null],
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
  ["an unknown option", { timeout: 1 }, /^createServer: unknown option 'timeout'; the options are routes, /],
  ["an option of Object's prototype", { toString: 1 }, /^createServer: unknown option 'toString'/],
  ["an option that was renamed", { lane: true }, /^createServer: lane was renamed to fastPath$/],
  ["no protocol", { connect: false, grpc: false, grpcWeb: false }, /^createServer: connect, grpc and grpcWeb are all/],
  [
    "two values of one limit",
    { readMaxBytes: 1, limits: { messageBytes: 1 } },
    /^createServer: readMaxBytes and limits\.messageBytes are the same limit; give one of them$/,
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
