/** The parser of the responses that node:http writes to a connection in memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ResponseParser } from "../../src/server/fallback/response-parser.ts";

/** Parses the text in pieces, and returns the response. */
function parse(method: string, pieces: readonly string[], ends = false) {
  const parser = new ResponseParser(method);
  const body: Uint8Array[] = [];
  for (const piece of pieces) parser.parse(Buffer.from(piece, "latin1"), body);
  if (ends) parser.end();
  const { head, trailers, isComplete } = parser;
  return { head, body: Buffer.concat(body).toString("latin1"), trailers, isComplete };
}

const HEAD =
  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Name: \xe9\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nConnection: keep-alive\r\n";
const FIELDS = [
  ["content-type", "text/plain"],
  ["x-name", "\xe9"],
  ["set-cookie", "a"],
  ["set-cookie", "b"],
];

for (const [name, method, text, expected, ends] of [
  ["a length", "GET", `${HEAD}Content-Length: 5\r\n\r\nhello`, { length: "5", body: "hello" }, false],
  ["an empty body", "GET", `${HEAD}Content-Length: 0\r\n\r\n`, { length: "0", body: "" }, false],
  [
    "chunks",
    "GET",
    `${HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n`,
    { body: "hello" },
    false,
  ],
  [
    "chunks and trailers",
    "GET",
    `${HEAD}Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n`,
    {
      body: "0123456789",
      trailers: [
        ["x-sum", "1"],
        ["x-more", "2"],
      ],
    },
    false,
  ],
  ["a body until the end", "GET", `${HEAD}\r\nhello`, { body: "hello" }, true],
  ["a response to HEAD", "HEAD", `${HEAD}Content-Length: 5\r\n\r\n`, { length: "5", body: "" }, false],
  [
    "interim responses",
    "GET",
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${HEAD}Content-Length: 2\r\n\r\nok`,
    { length: "2", body: "ok" },
    false,
  ],
] as const) {
  test(`${name} is parsed, regardless of the pieces in which it is written`, () => {
    const { body, trailers = [], length } = expected as { body: string; trailers?: string[][]; length?: string };
    const fields = length === undefined ? FIELDS : [...FIELDS, ["content-length", length]];
    const response = { head: { status: 200, fields }, body, trailers, isComplete: true };
    assert.deepEqual(parse(method, [text], ends), response);
    assert.deepEqual(parse(method, [...text], ends), response);
    for (let at = 1; at < text.length; at++)
      assert.deepEqual(parse(method, [text.slice(0, at), text.slice(at)], ends), response);
  });
}

for (const status of [204, 304]) {
  test(`a response with status ${status} has no body`, () => {
    const { isComplete, body } = parse("GET", [`HTTP/1.1 ${status} \r\nETag: "1"\r\n\r\n`]);
    assert.deepEqual({ isComplete, body }, { isComplete: true, body: "" });
  });
}

for (const [name, text] of [
  ["another protocol", "SSH-2.0-x\r\n\r\n\r\n"],
  ["HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n"],
  ["an upgrade", "HTTP/1.1 101 Switching Protocols\r\n\r\n"],
  ["a line without a field", "HTTP/1.1 200 OK\r\nx\r\n\r\n"],
  ["an invalid length", "HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\n"],
  ["an invalid chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"],
  ["a chunk that is too long", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n"],
  ["bytes after the response", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab"],
] as const) {
  test(`${name} is an error`, () => {
    assert.throws(() => parse("GET", [text]), /^Error: read the response: /);
  });
}

for (const text of [
  "",
  "HTTP/1.1 200 OK\r\n",
  `${HEAD}Content-Length: 2\r\n\r\na`,
  `${HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\n`,
]) {
  test(`the end of the connection after ${JSON.stringify(text.slice(-12))} is an error`, () => {
    assert.throws(() => parse("GET", [text], true), /the connection ended before it was complete/);
  });
}
