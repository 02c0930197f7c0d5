/** CORS: preflights, and the responses and errors that a page on another origin may read in Connect and gRPC-Web. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { CELLS, callIn, present } from "../support/cells.ts";
import { HTTP_VERSIONS, type HttpResponse, send } from "../support/http.ts";
import { echoRoutes } from "../support/protos.ts";
import { startServer } from "../support/server.ts";

const PAGE = "https://page.example";
const OTHER = "https://other.example";
const ADD = "/calls.v1.CallService/Add";
const ADD_1_AND_2 = `${ADD}?connect=v1&encoding=json&message=%7B%22a%22%3A1%2C%22b%22%3A2%7D`;

for (const version of HTTP_VERSIONS) {
  test(`a preflight of an allowed origin gets all fields, over ${version}`, async (t) => {
    const { authority } = await startServer(t, { corsOrigins: [OTHER, PAGE] });
    const asked = "content-type,connect-protocol-version,authorization,x-mine";
    for (const path of [ADD, "/grpc.health.v1.Health/Watch", "/no.Such/Thing"]) {
      const { status, headers, body } = await send(version, authority, preflight(path, PAGE, asked));
      assert.deepEqual([status, body.length], [204, 0]);
      assert.equal(headers["access-control-allow-origin"], PAGE);
      assert.match(String(headers["access-control-allow-methods"]), /\bPOST\b/);
      assert.match(String(headers["access-control-allow-methods"]), /\bGET\b/);
      assert.equal(headers["access-control-allow-headers"], asked);
      assert.equal(headers["access-control-max-age"], "7200");
      assert.equal(headers.vary, "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
    }
  });

  test(`a preflight that asks for no header gets no Access-Control-Allow-Headers, over ${version}`, async (t) => {
    const { authority } = await startServer(t, { corsOrigins: [PAGE] });
    const { headers } = await send(version, authority, preflight(ADD, PAGE));
    assert.equal(headers["access-control-allow-origin"], PAGE);
    assert.equal(headers["access-control-allow-headers"], undefined);
  });

  test(`a preflight of any origin is allowed by "*", over ${version}`, async (t) => {
    const { authority } = await startServer(t, { corsOrigins: ["*"] });
    for (const origin of [PAGE, OTHER, "null"]) {
      const { headers } = await send(version, authority, preflight(ADD, origin));
      assert.equal(headers["access-control-allow-origin"], "*");
    }
  });

  test(`an origin that is not allowed gets no CORS fields, over ${version}`, async (t) => {
    const { authority } = await startServer(t, { corsOrigins: [PAGE] });
    for (const origin of [OTHER, "null", `${PAGE}:443`, PAGE.toUpperCase(), `${PAGE}.evil.example`]) {
      const refused = await send(version, authority, preflight(ADD, origin));
      assert.deepEqual([refused.status, allowFields(refused)], [204, []], origin);
      assert.match(String(refused.headers.vary), /^Origin/);
      const answer = await send(version, authority, post("{}", origin));
      assert.deepEqual([answer.status, allowFields(answer)], [200, []], origin);
      assert.equal(answer.headers.vary, "Origin");
    }
  });

  test(`without allowed origins, responses have no CORS fields, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    for (const request of [preflight(ADD, PAGE), post("{}", PAGE), post("{", PAGE)]) {
      const response = await send(version, authority, request);
      assert.deepEqual([allowFields(response), response.headers.vary], [[], undefined]);
    }
  });

  test(`OPTIONS without a preflight gets the methods that the target allows, over ${version}`, async (t) => {
    const { authority } = await startServer(t, { corsOrigins: [PAGE] });
    for (const headers of [{ origin: PAGE }, { "access-control-request-method": "POST" }]) {
      const response = await send(version, authority, { method: "OPTIONS", path: ADD, headers: present(headers) });
      assert.deepEqual([response.status, response.headers.allow], [204, "POST, GET, OPTIONS"]);
    }
  });

  test(`a response varies by Origin even if the request has no Origin, over ${version}`, async (t) => {
    const { authority } = await startServer(t, { corsOrigins: [PAGE] });
    const plain = await send(version, authority, post("{}"));
    assert.deepEqual([plain.headers.vary, allowFields(plain)], ["Origin", []]);
    const cached = await send(version, authority, { method: "GET", path: ADD_1_AND_2 });
    assert.equal(cached.headers.vary, "Accept-Encoding, Origin");
  });

  test(`a response does not vary by Origin if every origin is allowed, over ${version}`, async (t) => {
    const { authority } = await startServer(t, { corsOrigins: ["*"] });
    for (const origin of [PAGE, undefined]) {
      const { headers } = await send(version, authority, { ...post("{}", origin) });
      assert.deepEqual([headers.vary, headers["access-control-allow-origin"]], [undefined, "*"]);
    }
  });

  test(`a cached response and a 304 are readable with their ETag, over ${version}`, async (t) => {
    const { authority } = await startServer(t, { corsOrigins: [PAGE] });
    const request = { method: "GET", path: ADD_1_AND_2, headers: { origin: PAGE } };
    const fresh = await send(version, authority, request);
    const condition = { origin: PAGE, "if-none-match": String(fresh.headers.etag) };
    const known = await send(version, authority, { ...request, headers: condition });
    assert.deepEqual([fresh.status, known.status], [200, 304]);
    for (const response of [fresh, known]) {
      assertReadable(response, PAGE, ["etag"]);
      assert.equal(response.headers.vary, "Accept-Encoding, Origin");
    }
  });
}

for (const cell of CELLS.filter(({ protocol }) => protocol !== "gRPC")) {
  test(`a page can read responses and errors of every kind, in ${cell.name}`, async (t) => {
    const { authority } = await startServer(t, {
      corsOrigins: [PAGE],
      routes: echoRoutes({
        say(request, { responseHeader, responseTrailer }) {
          responseHeader.set("X-Head", "1");
          responseTrailer.set("X-Tail", "2");
          if (request.value === "") throw new ConnectError("empty", Code.InvalidArgument, { "X-Reason": "3" });
          return request;
        },
      }),
    });
    const call = async (path: string, hex: string, json: string): Promise<HttpResponse> => {
      const message = cell.codec === "proto" ? Buffer.from(hex, "hex") : Buffer.from(json);
      const outcome = await callIn(cell, authority, { path, message }, (request) => ({
        ...request,
        headers: { ...request.headers, origin: PAGE },
      }));
      return outcome.response;
    };
    const trailer = cell.protocol === "gRPC-Web" ? [] : ["trailer-x-tail"];
    assertReadable(await call("/fixture.Echo/Say", "0a0161", '"a"'), PAGE, ["x-head", ...trailer]);
    const reason = cell.protocol === "gRPC-Web" ? [] : ["x-reason"];
    assertReadable(await call("/fixture.Echo/Say", "", '""'), PAGE, ["x-head", ...reason]);
    assertReadable(await call("/fixture.Echo/Say", "0a", "{"), PAGE, []);
    assertReadable(await call("/no.Such/Thing", "", '""'), PAGE, []);
  });
}

function preflight(path: string, origin: string, headers?: string) {
  const fields = present({
    origin,
    "access-control-request-method": "POST",
    "access-control-request-headers": headers,
  });
  return { method: "OPTIONS", path, headers: fields };
}

function post(body: string, origin?: string) {
  return { path: ADD, headers: present({ "content-type": "application/json", origin }), body };
}

/** Returns the names of the CORS fields. */
function allowFields({ headers }: HttpResponse): string[] {
  return Object.keys(headers).filter((name) => name.startsWith("access-control-"));
}

/** Asserts that a page may read the response, the status of gRPC-Web, the given fields, and every other field. */
function assertReadable({ headers }: HttpResponse, origin: string, names: readonly string[]): void {
  assert.equal(headers["access-control-allow-origin"], origin);
  const exposed = String(headers["access-control-expose-headers"]).toLowerCase().split(", ");
  for (const name of names) assert.ok(headers[name] !== undefined, `the response has no ${name}`);
  const always = ["grpc-status", "grpc-message", "grpc-status-details-bin"];
  const ofHttp = ["content-length", "date", "connection", "keep-alive", "transfer-encoding", "vary"];
  const own = Object.keys(headers).filter((name) => !ofHttp.includes(name) && !name.startsWith("access-control-"));
  for (const name of [...always, ...own]) assert.ok(exposed.includes(name), `${name} is not among ${exposed}`);
}
