/** What a request may look like: the rules of RFC 9113, 8.1 to 8.5, each with its section. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Field } from "../../src/server/http/exchange.ts";
import { Flag } from "../../src/server/http2/frames/types.ts";
import { Bench } from "./support/bench.ts";
import { data, GET, headers, POST } from "./support/wire.ts";

/** A request with some fields in place of its own, or after them. */
function request(...changes: readonly Field[]): readonly Field[] {
  const fields = new Map(POST);
  const rest: Field[] = [];
  for (const change of changes) {
    if (change[0].startsWith(":")) fields.set(...change);
    else rest.push(change);
  }
  return [...fields, ...rest];
}

function without(name: string): readonly Field[] {
  return POST.filter((field) => field[0] !== name);
}

const MALFORMED: Record<string, readonly Field[]> = {
  "a field name in upper case (8.2)": request(["X-Upper", "1"]),
  "a field name with a space (8.2.1)": request(["x y", "1"]),
  "a field name with a colon after its beginning (8.2.1)": request(["x:y", "1"]),
  "a field name with a character over 0x7f (8.2.1)": request(["x-\xe9", "1"]),
  "an empty field name (8.2.1)": request(["", "1"]),
  "a value with NUL (8.2.1)": request(["x", "a\0b"]),
  "a value with CR (8.2.1)": request(["x", "a\rb"]),
  "a value with LF (8.2.1)": request(["x", "a\nb"]),
  "a value with another control character (RFC 9110, 5.5)": request(["x", "a\x01b"]),
  "a value that begins with a space (8.2.1)": request(["x", " a"]),
  "a value that begins with a tab (8.2.1)": request(["x", "\ta"]),
  "a value that ends with a space (8.2.1)": request(["x", "a "]),
  "a value that ends with a tab (8.2.1)": request(["x", "a\t"]),
  "connection (8.2.2)": request(["connection", "close"]),
  "keep-alive (8.2.2)": request(["keep-alive", "1"]),
  "proxy-connection (8.2.2)": request(["proxy-connection", "close"]),
  "transfer-encoding (8.2.2)": request(["transfer-encoding", "chunked"]),
  "upgrade (8.2.2)": request(["upgrade", "h2c"]),
  "te other than trailers (8.2.2)": request(["te", "gzip"]),
  "te with more than trailers (8.2.2)": request(["te", "trailers, gzip"]),
  "a pseudo-header field that is not known (8.3)": request([":unknown", "1"]),
  "a pseudo-header field of responses (8.3)": request([":status", "200"]),
  "a pseudo-header field after a regular one (8.3)": [["x", "1"], ...POST],
  ":method twice (8.3)": [[":method", "POST"], ...POST],
  ":authority twice (8.3)": [[":authority", "localhost"], ...POST],
  "no :method (8.3.1)": without(":method"),
  "no :scheme (8.3.1)": without(":scheme"),
  "no :path (8.3.1)": without(":path"),
  "an empty :path (8.3.1)": request([":path", ""]),
  "a :path without its slash (8.3.1)": request([":path", "a"]),
  "a :path in absolute form (8.3.1)": request([":path", "http://localhost/"]),
  "a :path with a fragment (8.3.1)": request([":path", "/a#b"]),
  "a :path with a space (8.3.1)": request([":path", "/a b"]),
  "a :path with a character over 0x7f (8.3.1)": request([":path", "/\xe9"]),
  ":path * in other methods than OPTIONS (8.3.1)": request([":path", "*"]),
  "a :method that is no token (8.3.1)": request([":method", "PO ST"]),
  "an empty :method (8.3.1)": request([":method", ""]),
  "Host that differs from :authority (8.3.1)": request(["host", "other"]),
  "Host with another port than :authority (8.3.1)": request(["host", "localhost:81"]),
  "Host twice, and different (8.3.1)": request(["host", "localhost"], ["host", "other"]),
  "a content-length that is no number (8.1.1)": request(["content-length", "1x"]),
  "a negative content-length (8.1.1)": request(["content-length", "-1"]),
  "content-length twice, and different (8.1.1)": request(["content-length", "1"], ["content-length", "2"]),
  "CONNECT with :scheme and :path (8.5)": request([":method", "CONNECT"]),
  "extended CONNECT, which was not offered (8.5, and 4 of RFC 8441)": request(
    [":method", "CONNECT"],
    [":protocol", "websocket"],
  ),
};

for (const [what, fields] of Object.entries(MALFORMED)) {
  test(`${what} is a stream error of PROTOCOL_ERROR, and the connection goes on`, () => {
    const bench = Bench.settled();
    assert.deepEqual(bench.send(headers(1, fields)), ["RstStream 1 PROTOCOL_ERROR"]);
    assert.deepEqual(bench.exchanges, []);
    assert.deepEqual(bench.send(headers(3, GET)), ["Headers 3 200 end"]);
  });
}

const NO_AUTHORITY: Record<string, readonly Field[]> = {
  "an empty :authority (8.3.1)": request([":authority", ""]),
  "an :authority with a space (8.3.1)": request([":authority", "a b"]),
  "an :authority beyond ASCII (8.3.1)": request([":authority", "a\xe9"]),
  "a Host that is none, beside no :authority (8.3.1)": [...without(":authority"), ["host", "a b"]],
};

for (const [what, fields] of Object.entries(NO_AUTHORITY)) {
  test(`${what} is answered 400, as over HTTP/1.1 (RFC 9112, 3.2), and the connection goes on`, () => {
    const bench = Bench.settled();
    assert.deepEqual(bench.send(headers(1, fields)), ["Headers 1 400 end"]);
    assert.deepEqual(bench.exchanges, []);
    assert.deepEqual(bench.send(headers(3, GET)), ["Headers 3 200 end"]);
  });
}

const WELL_FORMED: Record<string, readonly Field[]> = {
  "te: trailers (8.2.2)": request(["te", "trailers"]),
  "an empty value (8.2.1)": request(["x", ""]),
  "a value with spaces inside (8.2.1)": request(["x", "a \t b"]),
  "a value with characters over 0x7f (8.2.1)": request(["x", "\xe9"]),
  "Host like :authority (8.3.1)": request(["host", "localhost"]),
  "Host like :authority in other case and with the scheme's port (8.3.1)": request(["host", "LOCALHOST:80"]),
  "Host instead of :authority (8.3.1)": [...without(":authority"), ["host", "localhost"]],
  "neither Host nor :authority (8.3.1)": without(":authority"),
  "an :authority with an IPv6 address and a port (8.3.1)": request([":authority", "[::1]:8080"]),
  "an :authority with an IPv6 address, a port and no brackets, as Node's client sends it": request([
    ":authority",
    "::1:8080",
  ]),
  "userinfo in :authority, as in grpc-go": request([":authority", "user@localhost"]),
  "an :authority with a path, as Envoy sends one": request([":authority", "grpcroute/default/sum/rule/0"]),
  "an :authority with other visible ASCII, as Envoy sends one": request([":authority", "outbound|80||sum.default.svc"]),
  "an :authority with a port that is not a number": request([":authority", "localhost:a"]),
  "a scheme of https, which a proxy may have ended (8.3.1)": request([":scheme", "https"]),
  "OPTIONS * (8.3.1)": request([":method", "OPTIONS"], [":path", "*"]),
  "a :path with a query (8.3.1)": request([":path", "/a?b=c&d=%20"]),
  "a method of one's own (8.3.1)": request([":method", "PURGE"]),
  "content-length twice, and equal (8.1.1)": request(["content-length", "0"], ["content-length", "0"]),
};

for (const [what, fields] of Object.entries(WELL_FORMED)) {
  test(`${what} is served`, () => {
    assert.deepEqual(Bench.settled().send(headers(1, fields)), ["Headers 1 200 end"]);
  });
}

test("CONNECT is refused with 501, since it is not implemented (8.5)", () => {
  const fields: readonly Field[] = [
    [":method", "CONNECT"],
    [":authority", "localhost:443"],
  ];
  const bench = Bench.settled();
  assert.deepEqual(bench.send(headers(1, fields, 0)), []);
  assert.deepEqual(bench.pass(50), ["Headers 1 501 end"]);
});

test("a scheme other than http and https is refused with 400", () => {
  assert.deepEqual(Bench.settled().send(headers(1, request([":scheme", "ftp"]))), ["Headers 1 400 end"]);
});

test("a request's head has its parts, and its fields in their order, without the pseudo-header fields", () => {
  const bench = Bench.settled();
  bench.send(headers(1, request([":path", "/a?b"], ["x", "1"], ["y", "2"], ["x", "3"])));
  const head = bench.exchanges[0]?.request;
  assert.equal(head?.httpVersion, "2.0");
  assert.equal(head?.method, "POST");
  assert.equal(head?.scheme, "http");
  assert.equal(head?.authority, "localhost");
  assert.equal(head?.path, "/a?b");
  assert.deepEqual(head?.fields, [
    ["x", "1"],
    ["y", "2"],
    ["x", "3"],
  ]);
});

test("the brackets that Node's client leaves out of an address of IPv6 are put back", () => {
  const bench = Bench.settled();
  bench.send(headers(1, request([":authority", "2001:DB8::1:50051"])));
  assert.equal(bench.exchanges[0]?.request.authority, "[2001:DB8::1]:50051");
});

test("the crumbs of a cookie are one field (8.2.3)", () => {
  const bench = Bench.settled();
  bench.send(headers(1, request(["cookie", "a=1"], ["x", "1"], ["cookie", "b=2"])));
  assert.deepEqual(bench.exchanges[0]?.request.fields, [
    ["cookie", "a=1; b=2"],
    ["x", "1"],
  ]);
});

test("equal requests share one head, and a changed dynamic table parts them", () => {
  const bench = Bench.settled();
  bench.send(headers(1, POST), headers(3, POST));
  assert.equal(bench.exchanges[0]?.request, bench.exchanges[1]?.request);
  bench.send(headers(5, request(["x", "1"])), headers(7, POST));
  assert.equal(bench.exchanges[3]?.request, bench.exchanges[0]?.request);
});

for (const [what, ...frames] of [
  ["more than content-length", data(1, "ab", 0)],
  ["less than content-length", data(1, "")],
  ["trailers before content-length is reached", headers(1, [["x", "1"]])],
] as const) {
  test(`a body of ${what} is a stream error of PROTOCOL_ERROR (8.1.1)`, () => {
    const bench = Bench.settled();
    const words = bench.send(headers(1, request(["content-length", "1"]), 0), ...frames);
    assert.deepEqual(words, ["RstStream 1 PROTOCOL_ERROR"]);
  });
}

test("a head that ends the stream and promises a body is a stream error of PROTOCOL_ERROR (8.1.1)", () => {
  assert.deepEqual(Bench.settled().send(headers(1, request(["content-length", "1"]))), ["RstStream 1 PROTOCOL_ERROR"]);
});

for (const [what, fields, flags] of [
  ["with a pseudo-header field", [[":path", "/"]], Flag.EndStream],
  ["with a connection-specific field", [["connection", "close"]], Flag.EndStream],
  ["that do not end the stream", [["x", "1"]], 0],
] as const) {
  test(`trailers ${what} are a stream error of PROTOCOL_ERROR (8.1)`, () => {
    const words = Bench.settled().send(headers(1, POST, 0), data(1, "a", 0), headers(1, fields, flags));
    assert.deepEqual(words, ["RstStream 1 PROTOCOL_ERROR"]);
  });
}

test("trailers end a request (8.1)", () => {
  const words = Bench.settled().send(headers(1, POST, 0), data(1, "abc", 0), headers(1, [["x", "1"]]));
  assert.deepEqual(words, ["Headers 1 200", "Data 1 3 end"]);
});

test("a header list over the bound is answered 431, and the connection's tables stay in step (10.5.1)", () => {
  const bench = Bench.settled(undefined, { headerListBytes: 400 });
  const large = request(["x", "y".repeat(300)]);
  assert.deepEqual(bench.send(headers(1, large)), ["Headers 1 431 end"]);
  assert.deepEqual(bench.send(headers(3, large, 0)), []);
  assert.deepEqual(bench.send(data(3, "abc")), ["Headers 3 431 end"]);
  assert.deepEqual(bench.send(headers(5, POST)), ["Headers 5 200 end"]);
  const unbound = Bench.settled(undefined, { headerListBytes: Number.POSITIVE_INFINITY });
  assert.deepEqual(unbound.send(headers(1, large)), ["Headers 1 200 end"]);
});
