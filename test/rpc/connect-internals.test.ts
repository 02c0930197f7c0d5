/**
 * The behaviour of Connect that the server relies on, in parts of Connect without semantic versioning. If a test fails after
 * an upgrade, its name tells which behaviour has changed.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import {
  Code,
  ConnectError,
  type ConnectRouterOptions,
  createConnectRouter,
  type HandlerContext,
  type ServiceImpl,
} from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { codeToString, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import { envelope } from "../support/cells.ts";
import { Echo } from "../support/protos.ts";

const GRPC = "application/grpc+proto";
const CONNECT = "application/proto";
const CUT_SHORT = Buffer.of(0x0a);

test("package.json pins the packages of Connect and Protobuf to one version each", () => {
  const { dependencies } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  for (const name of ["@connectrpc/connect", "@connectrpc/connect-node", "@bufbuild/protobuf"]) {
    assert.match(dependencies[name], /^\d+\.\d+\.\d+$/, name);
  }
});

test("a router has a handler for each method, which knows its path, HTTP methods, service and method", () => {
  const { handlers } = createConnectRouter().service(Echo, {});
  assert.deepEqual(
    handlers.map(({ requestPath, allowedMethods }) => [requestPath, allowedMethods]),
    [
      ["/fixture.Echo/Say", ["POST", "GET"]],
      ["/fixture.Echo/Repeat", ["POST"]],
      ["/fixture.Echo/Join", ["POST"]],
      ["/fixture.Echo/Chat", ["POST"]],
    ],
  );
  assert.ok(handlers.every(({ service }) => service === Echo));
  assert.deepEqual(
    handlers.map(({ method }) => method),
    Echo.methods,
  );
});

test("a handler responds with status, header, body and trailer", async () => {
  const { status, header, body, trailer } = await call(echo(), GRPC, envelope(Buffer.of()));
  assert.deepEqual([status, header.get("content-type"), trailer.get("grpc-status")], [200, GRPC, "0"]);
  assert.deepEqual(body, envelope(Buffer.of()));
});

test("a handler rejects an unknown media type with 415, and accepts GET for a method without side effects", async () => {
  assert.equal((await call(echo(), "text/plain", Buffer.of())).status, 415);
  assert.equal((await call(echo(), "", Buffer.of(), "GET", "?encoding=proto&message=")).status, 200);
});

for (const [type, body] of [
  [CONNECT, CUT_SHORT],
  [GRPC, envelope(CUT_SHORT)],
] as const) {
  test(`the gate gets the context of the call before the body is read, in ${type}`, async () => {
    let context: HandlerContext | undefined;
    const handler = echo({
      requestGate(given) {
        context = given;
        throw new ConnectError("no", Code.PermissionDenied);
      },
    });
    const { read } = await call(handler, type, body);
    assert.equal(read, false);
    assert.equal(context?.url, "http://host/fixture.Echo/Say");
    assert.equal(context.requestMethod, "POST");
    assert.equal(context.signal.aborted, true);
  });

  test(`an undecodable message is "parse binary: ", internal, and aborts the signal before the response, in ${type}`, async () => {
    let reason: unknown;
    const handler = echo({
      requestGate({ signal }) {
        signal.addEventListener("abort", () => {
          reason = signal.reason;
          assert.ok(reason instanceof ConnectError);
          assert.equal(reason.code, Code.Internal);
          assert.match(reason.rawMessage, /^parse binary: /);
          Object.assign(reason, { code: Code.InvalidArgument, rawMessage: "changed in time" });
        });
      },
    });
    const response = await call(handler, type, body);
    assert.ok(reason instanceof ConnectError, "the signal was not aborted with the error");
    assert.deepEqual(codeAndMessage(type, response), ["invalid_argument", "changed in time"]);
  });

  test(`an interceptor runs around the handler and gets its exception, in ${type}`, async () => {
    const seen: unknown[] = [];
    const handler = echo(
      {
        interceptors: [
          (next) => async (request) => {
            assert.deepEqual([request.service.typeName, request.method.name], ["fixture.Echo", "Say"]);
            assert.equal(request.stream, false);
            try {
              return await next(request);
            } catch (error) {
              seen.push(error);
              throw error;
            }
          },
        ],
      },
      { say: () => Promise.reject(new Error("secret")) },
    );
    const valid = type === GRPC ? envelope(Buffer.of()) : Buffer.of();
    const response = await call(handler, type, valid);
    assert.equal(String(seen), "Error: secret");
    assert.deepEqual(codeAndMessage(type, response), ["internal", "internal error"]);
  });
}

test("the reason of an aborted shutdown signal is the error of the call", async () => {
  const shutdown = new AbortController();
  const handler = echo(
    { shutdownSignal: shutdown.signal },
    {
      async say(_, { signal }) {
        shutdown.abort(new ConnectError("closing", Code.Unavailable));
        throw signal.reason;
      },
    },
  );
  assert.deepEqual(codeAndMessage(CONNECT, await call(handler, CONNECT, Buffer.of())), ["unavailable", "closing"]);
});

for (const compression of [compressionGzip, compressionBrotli]) {
  test(`invalid ${compression.name} is invalid_argument, and incomplete ${compression.name} is internal`, async () => {
    await assert.rejects(compression.decompress(Buffer.from("none"), 1000), { code: Code.InvalidArgument });
    const cut = (await compression.compress(Buffer.from("a text"))).slice(0, -1);
    await assert.rejects(compression.decompress(cut, 1000), { code: Code.Internal });
  });

  test(`${compression.name} that exceeds the maximum after decompression is resource_exhausted`, async () => {
    const bytes = await compression.compress(new Uint8Array(10_000));
    await assert.rejects(compression.decompress(bytes, 1000), { code: Code.ResourceExhausted });
    assert.equal((await compression.decompress(bytes, 10_000)).length, 10_000);
  });
}

test("a compression in the options of a router is used by its name", async () => {
  let used = 0;
  const compression = {
    ...compressionGzip,
    decompress(...args: Parameters<typeof compressionGzip.decompress>) {
      used++;
      return compressionGzip.decompress(...args);
    },
  };
  const body = envelope(gzipSync(Buffer.of()), 1);
  await call(echo({ acceptCompression: [compression] }), GRPC, body, "POST", "", { "grpc-encoding": "gzip" });
  assert.deepEqual([compression.name, used], ["gzip", 1]);
});

test("setTrailerStatus writes an error's code, message, metadata and details into the given headers", () => {
  const details = [{ desc: StringValueSchema, value: { value: "why" } }];
  const error = new ConnectError("no é", Code.Unimplemented, { "x-mine": "1" }, details);
  const headers = new Headers({ "content-type": GRPC });
  assert.equal(setTrailerStatus(headers, error), headers);
  const { "grpc-status-details-bin": bin, ...rest } = Object.fromEntries(headers);
  assert.deepEqual(rest, {
    "content-type": GRPC,
    "grpc-message": "no%20%C3%A9",
    "grpc-status": "12",
    "x-mine": "1",
  });
  assert.match(bin ?? "", /^[\w+/]+$/);
});

test("errorToJsonBytes encodes an error as Connect does", () => {
  const bytes = errorToJsonBytes(new ConnectError("no é", Code.Unimplemented), undefined);
  assert.deepEqual(JSON.parse(Buffer.from(bytes).toString()), { code: "unimplemented", message: "no é" });
});

test("codeToString spells a code as Connect does", () => {
  assert.equal(codeToString(Code.InvalidArgument), "invalid_argument");
});

interface HandlerResponse {
  readonly status: number;
  readonly header: Headers;
  readonly trailer: Headers;
  readonly body: Buffer;
  /** True if the handler read the body of the request. */
  readonly read: boolean;
}

/** Returns Connect's handler of Say. By default, it responds with its request. */
function echo(
  options: ConnectRouterOptions = {},
  implementation: Partial<ServiceImpl<typeof Echo>> = { say: (request) => request },
): UniversalHandler {
  return createConnectRouter(options).service(Echo, implementation).handlers[0] as UniversalHandler;
}

async function call(
  handler: UniversalHandler,
  contentType: string,
  bytes: Uint8Array,
  method = "POST",
  query = "",
  headers: Record<string, string> = {},
): Promise<HandlerResponse> {
  let read = false;
  async function* body(): AsyncIterable<Uint8Array> {
    read = true;
    yield bytes;
  }
  const {
    status,
    header,
    body: pieces,
    trailer,
  } = await handler({
    httpVersion: "2.0",
    method,
    url: `http://host${handler.requestPath}${query}`,
    header: new Headers({ ...headers, ...(contentType !== "" && { "content-type": contentType }) }),
    body: body(),
    signal: new AbortController().signal,
  });
  const whole = Buffer.concat(await Array.fromAsync(pieces ?? []));
  return { status, header: new Headers(header), trailer: new Headers(trailer), body: whole, read };
}

function codeAndMessage(contentType: string, { body, trailer }: HandlerResponse): string[] {
  if (contentType === GRPC) {
    const code = codeToString(Number(trailer.get("grpc-status")));
    return [code, decodeURIComponent(trailer.get("grpc-message") ?? "")];
  }
  const { code, message } = JSON.parse(body.toString());
  return [code, message];
}
