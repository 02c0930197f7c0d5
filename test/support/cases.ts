/** The table of cases: requests to Add, and the response that the specification of each protocol requires. */
import { brotliCompressSync, gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { AddRequestSchema } from "../gen/calls/v1/calls_pb.ts";
import { type Call, type Cell, envelope, isGrpc } from "./cells.ts";
import type { HttpRequest } from "./http.ts";

/**
 * The sum, or the code of the error with a pattern of its message. An HTTP status if the request does not belong to any
 * protocol.
 */
export type Expected =
  | { readonly sum: number }
  | { readonly code: string; readonly message?: RegExp }
  | { readonly status: number };

export interface Case {
  readonly name: string;
  /** Returns the call in this cell. Returns undefined if the case does not exist in the cell's protocol or codec. */
  readonly call: (cell: Cell) => Omit<Call, "path"> | undefined;
  /** Changes the HTTP request of the call. */
  readonly change?: (request: HttpRequest, cell: Cell) => HttpRequest;
  readonly expect: (cell: Cell) => Expected;
}

const ONE_AND_TWO = { a: 1, b: 2 };
const INVALID: Expected = { code: "invalid_argument" };

export const CASES: readonly Case[] = [
  message("two numbers", both(ONE_AND_TWO), { sum: 3 }),
  message("numbers of both signs", both({ a: -5, b: 3 }), { sum: -2 }),
  message("the largest sum", both({ a: 2147483646, b: 1 }), { sum: 2147483647 }),
  message("the smallest sum", both({ a: -2147483647, b: -1 }), { sum: -2147483648 }),
  message("no field", both({}), { sum: 0 }),
  message("a sum over int32", both({ a: 2147483647, b: 1 }), {
    code: "out_of_range",
    message: /^add 2147483647 and 1: 2147483648 is outside int32, -2147483648 to 2147483647$/,
  }),
  message("a sum under int32", both({ a: -2147483648, b: -1 }), {
    code: "out_of_range",
    message: /^add -2147483648 and -1: -2147483649 is outside int32, -2147483648 to 2147483647$/,
  }),

  message("an unknown field", { proto: "0801 1002 1803", json: '{"a":1,"b":2,"c":3}' }, { sum: 3 }),
  message("a number in a string", { json: '{"a":"1","b":"2"}' }, { sum: 3 }),
  message("a whole number with a fraction of zero", { json: '{"a":1.0,"b":2e0}' }, { sum: 3 }),
  message("null for a field", { json: '{"a":null,"b":2}' }, { sum: 2 }),
  message("a string that is not a number", { json: '{"a":"x"}' }, INVALID),
  message("a string that is not valid Unicode", { json: '{"a":"\\ud800"}' }, INVALID),
  message("a fraction", { json: '{"a":1.5}' }, INVALID),
  // Protobuf truncates a varint that is too long for int32 to its low 32 bits ("Updating a message type").
  message("2147483648", { json: '{"a":2147483648}' }, INVALID),
  message("2147483648 as a varint", { proto: "08 8080808008" }, { sum: -2147483648 }),
  message("an open bracket", { json: "[" }, INVALID),
  message("null", { json: "null" }, INVALID),
  message("an object cut short", { json: '{"a":1' }, INVALID),
  message("an empty text", { json: "" }, INVALID),
  message("no bytes", { proto: "" }, { sum: 0 }),
  message("a field cut after its tag", { proto: "08" }, INVALID),
  message("a field cut in its varint", { proto: "08 80" }, INVALID),
  message("a field longer than the message", { proto: "1a 05 01" }, INVALID),
  message("a tag of field number 0", { proto: "00 01" }, INVALID),
  message("a wire type that does not exist", { proto: "0f" }, INVALID),

  {
    name: "no message at all",
    call: () => ({ message: undefined }),
    expect(cell) {
      if (isGrpc(cell)) return { code: "unimplemented" }; // a unary call must have a message (gRPC, statuscodes.md)
      if (cell.protocol === "Connect" && cell.codec === "proto") return { sum: 0 }; // an empty body is a valid message
      return INVALID;
    },
  },
  {
    name: "two messages",
    call: (cell) => (isGrpc(cell) ? { message: encode(cell) } : undefined),
    change: (request) => ({ ...request, body: Buffer.concat([request.body as Buffer, request.body as Buffer]) }),
    expect: () => ({ code: "unimplemented" }),
  },
  {
    name: "an envelope cut short",
    call: (cell) => (isGrpc(cell) ? { message: encode(cell) } : undefined),
    change: (request) => ({ ...request, body: (request.body as Buffer).subarray(0, -1) }),
    expect: () => INVALID,
  },
  {
    name: "an envelope that says it is compressed, without an encoding",
    call: (cell) => (isGrpc(cell) ? { message: encode(cell) } : undefined),
    change: (request, cell) => ({ ...request, body: envelope(encode(cell), 1) }),
    expect: () => ({ code: "internal" }), // the code that gRPC requires (compression.md, "Specification")
  },

  compressed("gzip", "gzip", gzipSync, { sum: 3 }),
  compressed("brotli", "br", brotliCompressSync, { sum: 3 }),
  compressed("invalid gzip", "gzip", (bytes) => bytes, INVALID),
  compressed("gzip cut short", "gzip", (bytes) => gzipSync(bytes).subarray(0, -9), INVALID),
  compressed("invalid brotli", "br", () => Buffer.from("none"), INVALID),
  compressed("brotli cut short", "br", (bytes) => brotliCompressSync(bytes).subarray(0, -1), INVALID),
  compressed("an unknown encoding", "zstd", gzipSync, { code: "unimplemented", message: /zstd.*gzip,br/ }),

  timeout("a timeout that is not a number", "x", INVALID),
  timeout("a timeout below zero", "-1", INVALID),
  timeout("a timeout of more digits than the protocol allows", "12345678901", INVALID),
  timeout("a timeout of all the digits that the protocol allows", "99999999", { sum: 3 }),

  {
    name: "a content type of none of the protocols",
    call: (cell) => ({ message: encode(cell) }),
    change: (request) =>
      request.method === "GET"
        ? { ...request, path: request.path.replace(/encoding=\w+/, "encoding=xml") }
        : withHeader(request, "content-type", "text/plain"),
    expect: () => ({ status: 415 }),
  },
  {
    name: "a codec that does not exist",
    call: (cell) => (cell.protocol === "Connect GET" ? undefined : { message: encode(cell) }),
    change: (request) => withHeader(request, "content-type", `${request.headers?.["content-type"]}x`),
    expect: () => ({ status: 415 }),
  },
  {
    name: "gRPC-Web's text mode",
    call: (cell) => (cell.protocol === "gRPC-Web" ? { message: encode(cell) } : undefined),
    change: (request, { codec }) => withHeader(request, "content-type", `application/grpc-web-text+${codec}`),
    expect: () => ({ status: 415 }),
  },
  {
    name: "invalid base64",
    call: (cell) => (cell.protocol === "Connect GET" ? { message: encode(cell) } : undefined),
    change: (request) => ({ ...request, path: request.path.replace(/message=[^&]*/, "message=!!!") }),
    expect: () => INVALID,
  },
  {
    name: "bytes that are not text, without base64",
    call: (cell) => (cell.protocol === "Connect GET" && cell.codec === "proto" ? { message: encode(cell) } : undefined),
    change: (request) => ({
      ...request,
      path: request.path.replace("base64=1&", "").replace(/message=[^&]*/, "message=%08%96%01"),
    }),
    expect: () => INVALID,
  },
  {
    name: "a second question mark in the query",
    call: (cell) => (cell.protocol === "Connect GET" ? { message: encode(cell) } : undefined),
    change: (request) => ({ ...request, path: `${request.path}&x=?&compression=zstd` }),
    expect: () => ({ code: "unimplemented" }),
  },
  {
    name: "base64 with padding",
    call: (cell) => (cell.protocol === "Connect GET" ? { message: encode(cell) } : undefined),
    change: (request) => ({
      ...request,
      path: request.path.replace(/message=[^&]*/, (text) => `${text}${padding(text)}`),
    }),
    expect: () => ({ sum: 3 }),
  },
];

interface Texts {
  /** The bytes in hexadecimal. */
  readonly proto?: string;
  readonly json?: string;
}

function both(data: { a?: number; b?: number }): Required<Texts> {
  const proto = Buffer.from(toBinary(AddRequestSchema, create(AddRequestSchema, data))).toString("hex");
  return { proto, json: JSON.stringify(data) };
}

function encode({ codec }: Cell): Buffer {
  const { proto, json } = both(ONE_AND_TWO);
  return codec === "proto" ? Buffer.from(proto, "hex") : Buffer.from(json);
}

/** Sends the message, in the codecs that are given. */
function message(name: string, { proto, json }: Texts, expected: Expected): Case {
  return {
    name,
    call({ codec }) {
      if (codec === "proto")
        return proto === undefined ? undefined : { message: Buffer.from(proto.replaceAll(" ", ""), "hex") };
      return json === undefined ? undefined : { message: Buffer.from(json) };
    },
    expect: () => expected,
  };
}

/** Sends one and two, compressed by `compress`. */
function compressed(name: string, encoding: string, compress: (bytes: Buffer) => Buffer, expected: Expected): Case {
  return { name, call: (cell) => ({ message: compress(encode(cell)), encoding }), expect: () => expected };
}

/** Sends one and two, with that timeout in milliseconds. */
function timeout(name: string, number: string, expected: Expected): Case {
  return {
    name,
    call: (cell) => ({ message: encode(cell), timeout: isGrpc(cell) ? `${number}m` : number }),
    expect: () => expected,
  };
}

function withHeader(request: HttpRequest, name: string, value: string): HttpRequest {
  return { ...request, headers: { ...request.headers, [name]: value } };
}

function padding(parameter: string): string {
  return "%3D".repeat((4 - ((parameter.length - "message=".length) % 4)) % 4);
}
