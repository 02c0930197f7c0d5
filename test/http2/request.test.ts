/** Valid and invalid requests: the rules of RFC 9113, 8.1 to 8.5, each with its section. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Field } from "../../src/server/http/exchange.ts";
import { Flag, FrameType } from "../../src/server/http2/frames/types.ts";
import { encodeBlock } from "../../src/server/http2/hpack/encoder.ts";
import { data, frame, GET, headers, POST } from "./support/frames.ts";
import { Harness } from "./support/harness.ts";

/** Returns the fields of a POST request. Changed pseudo-header fields replace its own, and other fields follow them. */
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
  "a pseudo-header field that is unknown (8.3)": request([":unknown", "1"]),
  "a pseudo-header field of responses (8.3)": request([":status", "200"]),
  "a pseudo-header field after a regular one (8.3)": [["x", "1"], ...POST],
  ":method twice (8.3)": [[":method", "POST"], ...POST],
  ":authority twice (8.3)": [[":authority", "localhost"], ...POST],
  "no :method (8.3.1)": without(":method"),
  "no :scheme (8.3.1)": without(":scheme"),
  "no :path (8.3.1)": without(":path"),
  "an empty :path (8.3.1)": request([":path", ""]),
  "a :path without a slash at its beginning (8.3.1)": request([":path", "a"]),
  "a :path in absolute form (8.3.1)": request([":path", "http://localhost/"]),
  "a :path with a fragment (8.3.1)": request([":path", "/a#b"]),
  "a :path with a space (8.3.1)": request([":path", "/a b"]),
  "a :path with a character over 0x7f (8.3.1)": request([":path", "/\xe9"]),
  "a :path of * with a method other than OPTIONS (8.3.1)": request([":path", "*"]),
  "a :method that is not a token (8.3.1)": request([":method", "PO ST"]),
  "an empty :method (8.3.1)": request([":method", ""]),
  "Host that differs from :authority (8.3.1)": request(["host", "other"]),
  "Host with another port than :authority (8.3.1)": request(["host", "localhost:81"]),
  "Host twice, and different (8.3.1)": request(["host", "localhost"], ["host", "other"]),
  "a content-length that is not a number (8.1.1)": request(["content-length", "1x"]),
  "a negative content-length (8.1.1)": request(["content-length", "-1"]),
  "content-length twice, and different (8.1.1)": request(["content-length", "1"], ["content-length", "2"]),
  "CONNECT with :scheme and :path (8.5)": request([":method", "CONNECT"]),
  "extended CONNECT, which SETTINGS do not allow (8.5; RFC 8441, 4)": request(
    [":method", "CONNECT"],
    [":protocol", "websocket"],
  ),
};

for (const [name, fields] of Object.entries(MALFORMED)) {
  test(`${name} is a stream error of PROTOCOL_ERROR, and the connection stays open`, () => {
    const harness = Harness.settled();
    assert.deepEqual(harness.send(headers(1, fields)), ["RstStream 1 PROTOCOL_ERROR"]);
    assert.deepEqual(harness.exchanges, []);
    assert.deepEqual(harness.send(headers(3, GET)), ["Headers 3 200 end"]);
  });
}

const INVALID_AUTHORITY: Record<string, readonly Field[]> = {
  "an empty :authority (8.3.1)": request([":authority", ""]),
  "an :authority with a space (8.3.1)": request([":authority", "a b"]),
  "an :authority with a character over 0x7f (8.3.1)": request([":authority", "a\xe9"]),
  "an invalid Host without :authority (8.3.1)": [...without(":authority"), ["host", "a b"]],
};

for (const [name, fields] of Object.entries(INVALID_AUTHORITY)) {
  test(`${name} gets status 400, as over HTTP/1.1 (RFC 9112, 3.2), and the connection stays open`, () => {
    const harness = Harness.settled();
    assert.deepEqual(harness.send(headers(1, fields)), ["Headers 1 400 end"]);
    assert.deepEqual(harness.exchanges, []);
    assert.deepEqual(harness.send(headers(3, GET)), ["Headers 3 200 end"]);
  });
}

const WELL_FORMED: Record<string, readonly Field[]> = {
  "te: trailers (8.2.2)": request(["te", "trailers"]),
  "an empty value (8.2.1)": request(["x", ""]),
  "a value with spaces inside (8.2.1)": request(["x", "a \t b"]),
  "a value with characters over 0x7f (8.2.1)": request(["x", "\xe9"]),
  "Host like :authority (8.3.1)": request(["host", "localhost"]),
  "Host like :authority, in upper case and with the default port (8.3.1)": request(["host", "LOCALHOST:80"]),
  "Host instead of :authority (8.3.1)": [...without(":authority"), ["host", "localhost"]],
  "neither Host nor :authority (8.3.1)": without(":authority"),
  "an :authority with an IPv6 address and a port (8.3.1)": request([":authority", "[::1]:8080"]),
  "an :authority with an IPv6 address, a port and no brackets, as Node's client sends it": request([
    ":authority",
    "::1:8080",
  ]),
  "userinfo in :authority, as in grpc-go": request([":authority", "user@localhost"]),
  "an :authority with a path, as Envoy sends it": request([":authority", "grpcroute/default/sum/rule/0"]),
  "an :authority with other visible ASCII characters, as Envoy sends it": request([
    ":authority",
    "outbound|80||sum.default.svc",
  ]),
  "an :authority with a port that is not a number": request([":authority", "localhost:a"]),
  "a scheme of https, whose TLS a proxy may have terminated (8.3.1)": request([":scheme", "https"]),
  "OPTIONS * (8.3.1)": request([":method", "OPTIONS"], [":path", "*"]),
  "a :path with a query (8.3.1)": request([":path", "/a?b=c&d=%20"]),
  "an unknown method (8.3.1)": request([":method", "PURGE"]),
  "content-length twice, and equal (8.1.1)": request(["content-length", "0"], ["content-length", "0"]),
};

for (const [name, fields] of Object.entries(WELL_FORMED)) {
  test(`${name} is served`, () => {
    assert.deepEqual(Harness.settled().send(headers(1, fields)), ["Headers 1 200 end"]);
  });
}

test("CONNECT gets status 501, because it is not implemented (8.5)", () => {
  const fields: readonly Field[] = [
    [":method", "CONNECT"],
    [":authority", "localhost:443"],
  ];
  const harness = Harness.settled();
  assert.deepEqual(harness.send(headers(1, fields, 0)), []);
  assert.deepEqual(harness.advance(50), ["Headers 1 501 end"]);
});

test("a scheme other than http and https gets status 400", () => {
  assert.deepEqual(Harness.settled().send(headers(1, request([":scheme", "ftp"]))), ["Headers 1 400 end"]);
});

test("a request head has its parts, and its fields in their order without the pseudo-header fields", () => {
  const harness = Harness.settled();
  harness.send(headers(1, request([":path", "/a?b"], ["x", "1"], ["y", "2"], ["x", "3"])));
  const head = harness.exchanges[0]?.request;
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

test("the brackets of an IPv6 address are added if they are missing, as from Node's client", () => {
  const harness = Harness.settled();
  harness.send(headers(1, request([":authority", "2001:DB8::1:50051"])));
  assert.equal(harness.exchanges[0]?.request.authority, "[2001:DB8::1]:50051");
});

test("several cookie fields are joined to one (8.2.3)", () => {
  const harness = Harness.settled();
  harness.send(headers(1, request(["cookie", "a=1"], ["x", "1"], ["cookie", "b=2"])));
  assert.deepEqual(harness.exchanges[0]?.request.fields, [
    ["cookie", "a=1; b=2"],
    ["x", "1"],
  ]);
});

test("equal requests share one head from the second on, unless the dynamic table has changed between them", () => {
  const harness = Harness.settled();
  harness.send(headers(1, POST), headers(3, POST), headers(5, POST));
  const head = harness.exchanges[1]?.request;
  assert.equal(harness.exchanges[2]?.request, head);
  harness.send(headers(7, request(["x", "1"])), headers(9, POST));
  assert.equal(harness.exchanges[4]?.request, head);
  const indexed = Buffer.concat([encodeBlock(POST), Buffer.from("4001610162", "hex")]);
  harness.send(frame(FrameType.Headers, Flag.EndHeaders | Flag.EndStream, 11, indexed), headers(13, POST));
  assert.notEqual(harness.exchanges[6]?.request, head);
  assert.deepEqual({ ...harness.exchanges[6]?.request }, { ...head, isShared: false });
  assert.deepEqual(harness.exchanges[6]?.request.fields, head?.fields);
});

for (const [name, ...frames] of [
  ["more than content-length", data(1, "ab", 0)],
  ["less than content-length", data(1, "")],
  ["trailers before content-length is reached", headers(1, [["x", "1"]])],
] as const) {
  test(`a body of ${name} is a stream error of PROTOCOL_ERROR (8.1.1)`, () => {
    const harness = Harness.settled();
    const sent = harness.send(headers(1, request(["content-length", "1"]), 0), ...frames);
    assert.deepEqual(sent, ["RstStream 1 PROTOCOL_ERROR"]);
  });
}

test("HEADERS with END_STREAM and a content-length above 0 are a stream error of PROTOCOL_ERROR (8.1.1)", () => {
  assert.deepEqual(Harness.settled().send(headers(1, request(["content-length", "1"]))), [
    "RstStream 1 PROTOCOL_ERROR",
  ]);
});

for (const [name, fields, flags] of [
  ["with a pseudo-header field", [[":path", "/"]], Flag.EndStream],
  ["with a connection-specific field", [["connection", "close"]], Flag.EndStream],
  ["that do not end the stream", [["x", "1"]], 0],
] as const) {
  test(`trailers ${name} are a stream error of PROTOCOL_ERROR (8.1)`, () => {
    const sent = Harness.settled().send(headers(1, POST, 0), data(1, "a", 0), headers(1, fields, flags));
    assert.deepEqual(sent, ["RstStream 1 PROTOCOL_ERROR"]);
  });
}

test("trailers end a request (8.1)", () => {
  const sent = Harness.settled().send(headers(1, POST, 0), data(1, "abc", 0), headers(1, [["x", "1"]]));
  assert.deepEqual(sent, ["Headers 1 200", "Data 1 3 end"]);
});

test("a header list above the limit gets status 431, and the HPACK tables stay synchronized (10.5.1)", () => {
  const harness = Harness.settled(undefined, { headerListBytes: 400 });
  const large = request(["x", "y".repeat(300)]);
  assert.deepEqual(harness.send(headers(1, large)), ["Headers 1 431 end"]);
  assert.deepEqual(harness.send(headers(3, large, 0)), []);
  assert.deepEqual(harness.send(data(3, "abc")), ["Headers 3 431 end"]);
  assert.deepEqual(harness.send(headers(5, POST)), ["Headers 5 200 end"]);
  const unlimited = Harness.settled(undefined, { headerListBytes: Number.POSITIVE_INFINITY });
  assert.deepEqual(unlimited.send(headers(1, large)), ["Headers 1 200 end"]);
});
